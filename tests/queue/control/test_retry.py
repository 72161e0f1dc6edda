"""Running a job again that ended without success."""

import asyncio

import pytest

from app.errors import WrongStatus
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work
from tests.queue.control.conftest import everything, set_status


@pytest.mark.usefixtures("signals")
def test_a_failed_job_is_run_again_with_all_its_attempts(do, enqueue, ask, raw, redis_client):
    job = enqueue(mine.flaky, fails=9)
    work(redis_client, "high")

    retried = do("retry", job.id)

    assert (retried.status, retried.attempt, retried.max_attempts) == ("queued", 3, 6)
    assert (retried.started_at, retried.ended_at, retried.error) == (None, None, None)
    assert raw.zcard("rq:failed:high") == 0
    assert raw.ttl(f"rq:job:{job.id}") == -1
    assert retried.enqueued_at > job.enqueued_at

    work(redis_client, "high")
    failed = ask(lambda service: service.lookup.job(job.id))
    assert (failed.status, failed.attempt, failed.max_attempts) == ("failed", 6, 6)

    assert do("retry", job.id).max_attempts == 9


@pytest.mark.usefixtures("signals")
def test_a_job_that_gave_up_is_run_again_with_all_its_attempts(do, enqueue, ask, redis_client):
    job = enqueue(mine.hopeless, after=1)
    work(redis_client)

    retried = do("retry", job.id)
    assert (retried.attempt, retried.max_attempts) == (2, 8)
    work(redis_client)

    failed = ask(lambda service: service.lookup.job(job.id))
    assert (failed.status, failed.attempt) == ("failed", 3)


def test_a_canceled_job_is_queued_again(do, enqueue, raw):
    job = enqueue(mine.flaky, fails=0)
    do("cancel", job.id)

    retried = do("retry", job.id)

    assert (retried.status, retried.position) == ("queued", 0)
    assert (retried.attempt, retried.max_attempts) == (0, 3)
    assert raw.zcard("rq:canceled:high") == 0
    assert raw.lrange("rq:queue:high", 0, -1) == [job.id]
    assert raw.ttl(f"rq:job:{job.id}") == -1


@pytest.mark.parametrize("status", ["queued", "scheduled", "deferred", "started", "finished"])
def test_a_job_that_has_not_ended_badly_is_not_retried(do, enqueue, redis_client, status):
    job = enqueue(mine.send, to="ada")
    set_status(job, redis_client, status)
    before = everything(redis_client)

    with pytest.raises(
        WrongStatus, match="cannot be retried; that needs one of: failed, stopped, canceled"
    ):
        do("retry", job.id)

    assert everything(redis_client) == before


def test_a_job_that_many_retry_at_once_is_queued_once(ask, enqueue, raw):
    job = enqueue(mine.send, to="ada")

    async def many(service):
        await service.control.cancel(job.id)
        return await asyncio.gather(
            *(service.control.retry(job.id) for _ in range(10)), return_exceptions=True
        )

    answers = ask(many)

    assert sum(isinstance(answer, WrongStatus) for answer in answers) == 9
    assert raw.lrange("rq:queue:default", 0, -1) == [job.id]
