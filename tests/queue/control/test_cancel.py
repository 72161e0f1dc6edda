"""Canceling a job, at each station of its life, and while a worker takes it."""

import pytest
from rq import Queue

from app.errors import WrongStatus
from app.options import JobOptions
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work
from tests.queue.control.conftest import everything, set_status, taken


@pytest.mark.parametrize(
    "options", [JobOptions(), JobOptions(delay=3600)], ids=["queued", "scheduled"]
)
def test_a_job_that_has_not_begun_is_canceled_and_out_of_its_line(do, enqueue, raw, options):
    job = enqueue(mine.send, options, to="ada")

    canceled = do("cancel", job.id)

    assert (canceled.status, canceled.attempt) == ("canceled", 0)
    assert canceled.ended_at is not None
    assert raw.llen("rq:queue:default") == raw.zcard("rq:scheduled:default") == 0
    assert raw.zrange("rq:canceled:default", 0, -1) == [job.id]


def test_a_deferred_job_is_canceled(do, enqueue, raw, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.lpop("rq:queue:default")
    redis_client.zadd("rq:deferred:default", {job.id: 1})
    set_status(job, redis_client, "deferred")

    assert do("cancel", job.id).status == "canceled"
    assert raw.zcard("rq:deferred:default") == 0


def test_a_canceled_job_is_kept_for_as_long_as_the_service_says(do, enqueue, redis_client):
    job, gone = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")

    do("cancel", job.id, failure_ttl=100)
    assert do("cancel", gone.id, failure_ttl=0).status == "canceled"

    assert 95 <= redis_client.ttl(f"rq:job:{job.id}") <= 100
    assert redis_client.pttl(f"rq:job:{gone.id}") in range(1, 1001)
    kept = Queue("default", connection=redis_client).canceled_job_registry
    assert kept.get_job_ids() == [gone.id, job.id]


@pytest.mark.usefixtures("signals")
def test_a_canceled_job_is_not_run_and_the_others_are(do, enqueue, ask, redis_client):
    job, other = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")
    do("cancel", job.id)

    work(redis_client)

    statuses = [ask(lambda s, i=i: s.lookup.job(i)).status for i in (job.id, other.id)]
    assert statuses == ["canceled", "finished"]


@pytest.mark.parametrize("status", ["started", "finished", "failed", "stopped", "canceled"])
def test_a_job_that_has_begun_or_ended_is_not_canceled(do, enqueue, redis_client, status):
    job = enqueue(mine.send, to="ada")
    set_status(job, redis_client, status)
    before = everything(redis_client)

    with pytest.raises(
        WrongStatus,
        match=f"is {status}, so it cannot be canceled; that needs one of: queued, ",
    ):
        do("cancel", job.id)

    assert everything(redis_client) == before


def test_a_job_that_a_worker_is_just_taking_is_not_canceled(do, enqueue, redis_client):
    job = taken(enqueue(mine.send, to="ada"), redis_client)
    before = everything(redis_client)

    with pytest.raises(WrongStatus, match="is queued and being taken by a worker"):
        do("cancel", job.id)

    assert everything(redis_client) == before
