"""Deleting a job with all that is kept of it."""

import zlib

import pytest

from app.errors import JobGone, WrongStatus
from app.options import JobOptions
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work
from tests.queue.control.conftest import everything, taken


@pytest.mark.usefixtures("signals")
def test_a_job_that_has_ended_is_deleted_with_all_that_is_kept_of_it(do, enqueue, redis_client):
    finished, failed = enqueue(mine.send, to="ada"), enqueue(mine.hopeless)
    work(redis_client)

    deleted = do("delete", finished.id)
    assert (deleted.status, deleted.result["to"]) == ("finished", "ada")
    assert do("delete", failed.id).error.type == "Hopeless"

    left = {key.decode() for key in redis_client.scan_iter()}
    assert not [key for key in left if finished.id in key or failed.id in key]
    assert not left & {"rq:finished:default", "rq:failed:default", "rq:queue:default"}
    with pytest.raises(JobGone):
        do("delete", finished.id)


@pytest.mark.parametrize(
    "options", [JobOptions(), JobOptions(delay=3600)], ids=["queued", "scheduled"]
)
def test_a_job_that_waits_is_deleted(do, enqueue, redis_client, options):
    job = enqueue(mine.send, options, to="ada")

    assert do("delete", job.id).id == job.id

    assert sorted(redis_client.keys()) == [b"rq:queues", b"task-api:events"]


def test_a_running_job_is_not_deleted(do, started, redis_client):
    before = everything(redis_client)

    with pytest.raises(WrongStatus, match="is started, so it cannot be deleted"):
        do("delete", started.id)

    assert everything(redis_client) == before


def test_a_job_that_a_worker_is_just_taking_is_not_deleted(do, enqueue, redis_client):
    job = taken(enqueue(mine.send, to="ada"), redis_client)
    before = everything(redis_client)

    with pytest.raises(WrongStatus, match="is queued and being taken by a worker"):
        do("delete", job.id)

    assert everything(redis_client) == before


def test_a_job_that_cannot_be_read_is_deleted_all_the_same(do, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(f"rq:job:{job.id}", "data", zlib.compress(b"cos\nsystem\n(S'true'\ntR."))

    deleted = do("delete", job.id)

    assert (deleted.id, deleted.status, deleted.error.type) == (job.id, "queued", "UnreadableJob")
    assert sorted(redis_client.keys()) == [b"rq:queues", b"task-api:events"]
