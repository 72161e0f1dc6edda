"""What Redis refuses fails whole, and leaves nothing half there."""

import asyncio

import pytest

from app.errors import RedisUnavailable
from app.options import JobOptions
from tests.queue import tasks_for_tests as mine


def test_a_queue_whose_key_is_something_else_leaves_nothing_half_there(enqueue, redis_client):
    redis_client.set("rq:queue:default", "not a list")

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        enqueue(mine.send, to="ada")

    assert redis_client.keys("rq:job:*") == []
    assert enqueue(mine.send, JobOptions(queue="low"), to="ada").position == 0


def test_a_registry_whose_key_is_something_else_leaves_nothing_half_there(enqueue, redis_client):
    redis_client.set("rq:scheduled:default", "not a set")

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        enqueue(mine.send, JobOptions(delay=60), to="ada")

    assert redis_client.keys("rq:job:*") == []


@pytest.mark.parametrize(
    "options", [{}, {"front": True}, {"delay": 60}], ids=["queued", "at the front", "scheduled"]
)
def test_an_index_whose_key_is_something_else_leaves_nothing_half_there(
    enqueue, redis_client, options
):
    redis_client.set("task-api:jobs:label:mine", "not a set")

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        enqueue(mine.send, JobOptions(label=["mine"], **options), to="ada")

    left = set(redis_client.keys())
    assert left == {
        b"rq:queues",
        b"task-api:events",
        b"task-api:indexes",
        b"task-api:jobs:label:mine",
    }


def test_one_job_that_redis_refuses_takes_none_of_the_others_with_it(enqueuer, redis_client):
    redis_client.set("rq:queue:default", "not a list")

    async def both():
        given = [
            enqueuer.aenqueue(mine.send, {"to": "ada"}, JobOptions(queue=queue))
            for queue in ("low", "default") * 20
        ]
        answers = await asyncio.gather(*given, return_exceptions=True)
        await enqueuer.aclose()
        return answers

    answers = asyncio.run(both())

    assert all(isinstance(answer, RedisUnavailable) for answer in answers[1::2])
    assert {answer.id for answer in answers[::2]} == {
        found.decode() for found in redis_client.lrange("rq:queue:low", 0, -1)
    }
    assert len(redis_client.keys("rq:job:*")) == 20


def test_a_redis_that_is_full_refuses_and_has_taken_nothing(enqueue, redis_client):
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisUnavailable) as refused:
            enqueue(mine.send, to="ada")
    finally:
        redis_client.config_set("maxmemory", 0)

    assert redis_client.keys() == []
    assert enqueue(mine.send, to="ada").position == 0
    assert "'maxmemory'" in str(refused.value)
