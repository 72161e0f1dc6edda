"""Many calls of one task, enqueued together."""

import asyncio

import pytest
from rq import Queue
from rq.job import Job as RQJob

from app import calls
from app.errors import InvalidArguments, QueueFull, RedisUnavailable
from app.options import DEFAULT_OPTIONS, JobOptions
from tests.queue import tasks_for_tests as mine


@pytest.fixture(params=["blocking", "async"])
def enqueue_many(request, enqueuer):
    """Enqueue calls of one task, as a script does or as an event loop does."""

    def enqueue_many(tos, options=DEFAULT_OPTIONS, by=enqueuer):
        many = [mine.send.arguments.parse(to=to) for to in tos]
        if request.param == "blocking":
            return by.enqueue_many(mine.send, many, options)

        async def scenario():
            try:
                return await by.aenqueue_many(mine.send, many, options)
            finally:
                await by.aclose()

        return asyncio.run(scenario())

    return enqueue_many


def test_many_calls_are_enqueued_in_their_order(enqueue_many, raw, redis_client):
    first = enqueue_many(["zero"])
    jobs = enqueue_many([str(n) for n in range(2500)])

    ids = [job.id for job in jobs]
    assert raw.lrange("rq:queue:default", 0, -1) == [first[0].id, *ids]
    assert [job.position for job in jobs] == list(range(1, 2501))
    read = RQJob.fetch_many([ids[0], ids[-1]], connection=redis_client)
    assert [job.kwargs["to"] for job in read] == ["0", "2499"]


def test_many_calls_for_the_front_keep_their_order(enqueue_many, raw):
    last = enqueue_many(["last"])
    jobs = enqueue_many(["a", "b", "c"], JobOptions(front=True))

    assert raw.lrange("rq:queue:default", 0, -1) == [job.id for job in jobs + last]
    assert [job.position for job in jobs] == [0, 1, 2]


def test_many_delayed_calls_are_scheduled(enqueue_many, raw):
    jobs = enqueue_many(["a", "b", "c"], JobOptions(delay=60))

    assert sorted(raw.zrange("rq:scheduled:default", 0, -1)) == sorted(job.id for job in jobs)
    assert {job.status for job in jobs} == {"scheduled"}
    assert raw.exists("rq:queue:default") == 0


def test_no_calls_are_no_trouble(enqueue_many, redis_client):
    assert enqueue_many([]) == []
    assert redis_client.keys() == []


def test_many_calls_that_redis_refuses_leave_nothing_half_there(enqueue_many, redis_client):
    redis_client.set("rq:queue:default", "not a list")

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        enqueue_many([str(n) for n in range(50)])

    assert redis_client.keys("rq:job:*") == []


def test_many_calls_stop_where_the_queue_is_full(enqueue_many, small, raw):
    enqueue_many(["a", "b", "c"], by=small)

    with pytest.raises(QueueFull):
        enqueue_many(["d"], by=small)

    assert raw.llen("rq:queue:default") == 3


def test_many_calls_are_all_checked_before_the_first_is_enqueued(enqueuer, redis_client):
    before = calls._enqueuer
    calls.connect(lambda: enqueuer)
    try:
        with pytest.raises(InvalidArguments):
            mine.send.enqueue_many([{"to": "ada"}, {"to": 5}])
        jobs = mine.send.with_options(queue="low").enqueue_many([{"to": "ada"}, {"to": "bob"}])
    finally:
        calls.connect(before)

    assert Queue("default", connection=redis_client).job_ids == []
    assert Queue("low", connection=redis_client).job_ids == [job.id for job in jobs]


def test_many_calls_are_enqueued_from_an_event_loop(enqueuer, redis_client):
    async def scenario():
        try:
            return await mine.send.aenqueue_many([{"to": "ada"}, {"to": "bob"}])
        finally:
            await enqueuer.aclose()

    before = calls._enqueuer
    calls.connect(lambda: enqueuer)
    try:
        jobs = asyncio.run(scenario())
    finally:
        calls.connect(before)

    assert Queue("default", connection=redis_client).job_ids == [job.id for job in jobs]
