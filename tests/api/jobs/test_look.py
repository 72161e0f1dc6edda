"""A job as GET shows it, and its bare result."""

from datetime import datetime

import pytest
import rq

from tests.api.jobs.sample_tasks import add, fail, nothing
from tests.api.jobs.steps import enqueue, look, set_status


def test_a_finished_job_has_its_result_and_its_times(api, work):
    job = enqueue(api, add, a=2)

    work()

    done = look(api, job)
    assert (done["status"], done["result"]) == ("finished", {"sum": 3, "parts": [2, 1]})
    assert done["args"] == {"a": 2, "b": 1}
    assert (done["error"], done["position"]) == (None, None)
    assert (done["attempt"], done["max_attempts"]) == (1, 1)
    moments = [done[key] for key in ("created_at", "enqueued_at", "started_at", "ended_at")]
    assert [datetime.fromisoformat(each) for each in moments] == sorted(
        datetime.fromisoformat(each) for each in moments
    )


def test_the_bare_result_is_json(api, work):
    job = enqueue(api, add, a=2)
    empty = enqueue(api, nothing)

    work()

    answer = api.get(job["links"]["result"])
    assert (answer.status_code, answer.json()) == (200, {"sum": 3, "parts": [2, 1]})
    assert answer.headers["content-type"] == "application/json"
    assert api.get(empty["links"]["result"]).text == "null"


def test_a_failed_job_has_the_exception_s_type_message_and_traceback(api, work):
    job = enqueue(api, fail, "?retries=0", message="first\nsecond: third")

    work()

    failed = look(api, job)
    assert (failed["status"], failed["result"]) == ("failed", None)
    assert failed["error"]["type"] == "ConnectionError"
    assert failed["error"]["message"] == "first\nsecond: third"
    assert failed["error"]["traceback"].startswith("Traceback (most recent call last):")
    assert "raise ConnectionError(message)" in failed["error"]["traceback"]


@pytest.mark.parametrize("status", ["queued", "scheduled", "started", "failed", "canceled"])
def test_a_job_without_a_result_is_409_there(api, redis_client, expect_problem, status):
    job = enqueue(api, fail, "?delay=60" if status == "scheduled" else "")
    if status not in {"queued", "scheduled"}:
        set_status(redis_client, job, status)

    answer = api.get(job["links"]["result"])

    problem = expect_problem(answer, 409, "no-result-yet")
    assert f"is {status} and has no result" in problem["detail"]


def test_a_status_of_a_newer_rq_passes_through(api, redis_client):
    job = enqueue(api, add, a=1)
    redis_client.hset(f"rq:job:{job['id']}", "status", "paused")

    assert look(api, job)["status"] == "paused"


def test_a_job_of_a_plain_rq_client_is_shown(api, redis_client):
    job = rq.Queue("low", connection=redis_client).enqueue("os.path.join", "a", "b", depth=1)

    shown = look(api, {"id": job.id})

    assert (shown["task"], shown["queue"]) == ("os.path.join", "low")
    assert shown["args"] == {"0": "a", "1": "b", "depth": 1}


ROUTES = [
    ("GET", ""),
    ("GET", "/result"),
    ("POST", "/cancel"),
    ("POST", "/stop"),
    ("POST", "/retry"),
    ("DELETE", ""),
]


@pytest.mark.parametrize(("method", "action"), ROUTES)
@pytest.mark.parametrize("job_id", ["none", "01a1f85a-3932-7dd6-a2c4-0749d7a3cafa", "%00", "ä"])
def test_a_job_that_never_existed_is_404(api, expect_problem, method, action, job_id):
    answer = api.request(method, f"/jobs/{job_id}{action}")

    expect_problem(answer, 404, "unknown-job", str(answer.request.url.raw_path, "ascii"))


@pytest.mark.parametrize(("method", "action"), ROUTES)
def test_rq_s_other_keys_are_no_jobs(api, redis_client, expect_problem, method, action):
    job = enqueue(api, add, a=1)
    redis_client.sadd(f"rq:job:{job['id']}:dependents", "other")

    answer = api.request(method, f"/jobs/{job['id']}:dependents{action}")

    expect_problem(answer, 404, "unknown-job")
    assert look(api, job)["status"] == "queued"


def test_what_rq_leaves_of_a_deleted_job_is_none(api, redis_client, expect_problem):
    redis_client.hset("rq:job:gone", "last_heartbeat", "2030-01-01T00:00:00.000000Z")

    expect_problem(api.get("/jobs/gone"), 404, "unknown-job")
