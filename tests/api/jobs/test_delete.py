"""Deleting a job."""

import pytest

from tests.api.jobs.sample_tasks import add
from tests.api.jobs.steps import enqueue, look, set_status


def test_a_deleted_job_is_gone_with_all_that_was_kept_of_it(
    api, work, redis_client, expect_problem
):
    job = enqueue(api, add, a=2)
    work()
    done = look(api, job)

    answer = api.delete(f"/jobs/{job['id']}")

    assert (answer.status_code, answer.json()) == (200, done)
    assert redis_client.keys(f"*{job['id']}*") == []
    assert redis_client.zcard("rq:finished:default") == 0
    expect_problem(api.get(f"/jobs/{job['id']}"), 410, "job-gone")


@pytest.mark.parametrize(
    "status", ["queued", "scheduled", "deferred", "finished", "failed", "stopped", "canceled"]
)
def test_a_job_that_does_not_run_can_be_deleted(api, redis_client, status):
    job = enqueue(api, add, a=1)
    if status != "queued":
        set_status(redis_client, job, status)

    answer = api.delete(f"/jobs/{job['id']}")

    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert redis_client.keys("*job*") == []
    assert redis_client.keys("rq:queue:*") == redis_client.keys("rq:deferred:*") == []


def test_a_running_job_cannot_be_deleted(api, redis_client, expect_problem):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, "started")

    expect_problem(api.delete(f"/jobs/{job['id']}"), 409, "wrong-status")

    assert look(api, job)["status"] == "started"


def test_a_job_that_a_worker_has_just_taken_cannot_be_deleted(api, redis_client, expect_problem):
    job = enqueue(api, add, a=1)
    redis_client.lpop("rq:queue:default")

    expect_problem(api.delete(f"/jobs/{job['id']}"), 409, "wrong-status")

    assert look(api, job)["status"] == "queued"
