"""Canceling a job."""

import pytest
import rq

from tests.api.jobs.sample_tasks import add
from tests.api.jobs.steps import enqueue, look, set_status


@pytest.mark.parametrize("query", ["", "?delay=60"], ids=["queued", "scheduled"])
def test_a_job_that_has_not_begun_can_be_canceled(api, work, redis_client, settings, query):
    job = enqueue(api, add, query, a=1)

    answer = api.post(f"/jobs/{job['id']}/cancel")

    canceled = answer.json()
    assert (answer.status_code, canceled["status"]) == (200, "canceled")
    assert canceled["ended_at"]
    assert redis_client.llen("rq:queue:default") == 0
    assert redis_client.zcard("rq:scheduled:default") == 0
    registry = rq.registry.CanceledJobRegistry("default", redis_client)
    assert registry.get_job_ids() == [job["id"]]
    assert settings.failure_ttl - 5 <= redis_client.ttl(f"rq:job:{job['id']}")
    work()
    assert look(api, job)["status"] == "canceled"


def test_a_deferred_job_can_be_canceled(api, redis_client):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, "deferred")

    answer = api.post(f"/jobs/{job['id']}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert redis_client.zcard("rq:deferred:default") == 0


@pytest.mark.parametrize("status", ["started", "finished", "failed", "stopped", "canceled"])
def test_a_job_that_has_begun_cannot_be_canceled(api, redis_client, expect_problem, status):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, status)

    problem = expect_problem(api.post(f"/jobs/{job['id']}/cancel"), 409, "wrong-status")

    assert f"is {status}" in problem["detail"]
    assert look(api, job)["status"] == status


def test_a_job_that_a_worker_has_just_taken_cannot_be_canceled(api, redis_client, expect_problem):
    job = enqueue(api, add, a=1)
    redis_client.lpop("rq:queue:default")

    answer = api.post(f"/jobs/{job['id']}/cancel")

    problem = expect_problem(answer, 409, "wrong-status")
    assert "being taken by a worker" in problem["detail"]
    assert look(api, job)["status"] == "queued"
