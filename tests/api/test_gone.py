"""A job that is not kept any more is told from one that never was, on every route of a job."""

import re
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app.main import create_app
from app.queue.job_id import new_job_id

ROUTE = re.compile(r"^/jobs/\{job_id\}")
FILLED = {"callback_id": "1"}
"""Values of what else a route names besides the job."""

MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}


@pytest.fixture
def api(make_client, redis_url):
    return make_client(redis_url=SecretStr(redis_url))


@pytest.fixture
def operations(settings, shipped):
    """Every operation on one job, as method, path and what it documents."""
    paths = create_app(settings, shipped).openapi()["paths"]
    return [
        (method.upper(), path, operation["responses"])
        for path, methods in paths.items()
        if ROUTE.match(path)
        for method, operation in methods.items()
    ]


def ask(api, method, path, job_id):
    filled = re.sub(r"\{(\w+)\}", lambda name: FILLED.get(name[1], job_id), path)
    return api.request(method, filled)


def test_there_are_operations_on_a_job(operations):
    named = {(method, path) for method, path, _ in operations}

    assert named >= {
        ("GET", "/jobs/{job_id}"),
        ("DELETE", "/jobs/{job_id}"),
        ("GET", "/jobs/{job_id}/result"),
        ("GET", "/jobs/{job_id}/explain"),
        ("POST", "/jobs/{job_id}/cancel"),
        ("POST", "/jobs/{job_id}/stop"),
        ("POST", "/jobs/{job_id}/retry"),
    }


def test_each_answers_410_for_a_job_that_was_issued_and_is_gone(api, operations, expect_problem):
    for method, path, _ in operations:
        gone = new_job_id()

        problem = expect_problem(ask(api, method, path, gone), 410, "job-gone")

        assert gone in problem["detail"]


def test_each_answers_404_for_an_id_that_was_never_issued(api, operations, expect_problem):
    for method, path, _ in operations:
        expect_problem(ask(api, method, path, str(uuid4())), 404, "unknown-job")
        expect_problem(ask(api, method, path, "report-7"), 404, "unknown-job")


def test_each_documents_both(operations):
    for method, path, responses in operations:
        assert "`job-gone`" in responses["410"]["description"], (method, path)
        assert "`unknown-job`" in responses["404"]["description"], (method, path)


@pytest.mark.parametrize("end", ["deleted", "expired"])
def test_a_job_that_was_there_is_gone_once_it_is_deleted_or_expired(
    api, redis_client, expect_problem, end
):
    job = api.post("/tasks/send_email", json=MAIL).json()
    assert api.get(job["links"]["self"]).status_code == 200
    if end == "deleted":
        assert api.delete(job["links"]["self"]).status_code == 200
    else:
        redis_client.pexpire(f"rq:job:{job['id']}", 0)

    expect_problem(api.get(job["links"]["self"]), 410, "job-gone")
    assert job["id"] not in [each["id"] for each in api.get("/jobs").json()["jobs"]]
