"""Retrying a job by hand."""

import pytest
import rq

from tests.api.jobs.sample_tasks import add, recover
from tests.api.jobs.steps import enqueue, look, set_status


def test_a_retried_job_runs_again_to_its_result(api, work, redis_client):
    job = enqueue(api, recover, "?retries=0", at=2)
    work()
    assert look(api, job)["status"] == "failed"

    answer = api.post(f"/jobs/{job['id']}/retry")

    retried = answer.json()
    assert answer.status_code == 200
    assert (retried["status"], retried["position"], retried["error"]) == ("queued", 0, None)
    assert (retried["started_at"], retried["ended_at"]) == (None, None)
    assert redis_client.zcard("rq:failed:default") == 0
    assert redis_client.ttl(f"rq:job:{job['id']}") == -1
    work()
    assert look(api, job)["attempt"] == 2


@pytest.mark.parametrize("status", ["failed", "stopped", "canceled"])
def test_what_ended_without_success_can_be_retried(api, redis_client, status):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, status)

    answer = api.post(f"/jobs/{job['id']}/retry")

    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert rq.Queue("default", connection=redis_client).job_ids == [job["id"]]


@pytest.mark.parametrize("status", ["queued", "scheduled", "deferred", "started", "finished"])
def test_no_other_job_can_be_retried(api, redis_client, expect_problem, status):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, status)

    problem = expect_problem(api.post(f"/jobs/{job['id']}/retry"), 409, "wrong-status")

    assert f"is {status}" in problem["detail"]
    assert "failed, stopped, canceled" in problem["detail"]
    assert look(api, job)["status"] == status
