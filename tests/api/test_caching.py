"""What caches may keep: files, and nothing of how things stand."""

import pytest

from app.queue.job_id import new_job_id

MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}


@pytest.fixture
def job(api):
    """The path of a job."""
    return api.post("/tasks/send_email?delay=60", json=MAIL).json()["links"]["self"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        *("{job}", "{job}?format=json", "{job}/explain", "{job}/log", "{job}/callbacks"),
        *("/jobs", "/jobs?limit=0", "/tasks", "/queues", "/workers", "/health/ready", "/"),
        *("/jobs/nothing", "/nowhere", "/openapi.json"),
    ],
)
def test_no_cache_keeps_how_things_stand(api, job, method, path):
    answer = api.request(method, path.format(job=job))

    assert answer.headers.get_list("cache-control") == ["no-store"]


def test_no_cache_keeps_that_a_job_is_gone(api):
    # A 410 may be kept by whoever is told nothing, and its address has a page and a stream besides.
    answer = api.get(f"/jobs/{new_job_id()}")

    assert (answer.status_code, answer.headers["cache-control"]) == (410, "no-store")


@pytest.mark.parametrize("path", ["/pages/job.js", "/pages/icon.svg"])
def test_files_may_be_kept_and_asked_for_again_by_their_etag(api, path):
    first = api.get(path)
    again = api.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert "cache-control" not in first.headers
    assert (again.status_code, again.content) == (304, b"")


def test_what_is_no_question_says_nothing_of_caches(api):
    assert "cache-control" not in api.post("/tasks/send_email", json=MAIL).headers
