"""What has gone by in the stream, read again: by many at once, and while it cannot be read."""

import asyncio

import pytest

from app.errors import RedisUnavailable
from app.queue import keys
from app.queue.connection import connect_async
from app.queue.event import START
from app.queue.transaction import Transaction
from app.queue.watching.replay import CHUNK, Replay
from app.queue.writer import BatchWriter

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def replay(settings):
    reader = BatchWriter(Transaction(connect_async(settings)))
    yield Replay(reader)
    await reader.aclose()


def fill(redis, jobs):
    with redis.pipeline() as pipeline:
        for job in jobs:
            pipeline.xadd(keys.EVENTS, {"job": job, "status": "queued", "task": "t", "queue": "q"})
        return [each.decode() for each in pipeline.execute()]


async def test_each_who_asks_is_given_the_events_of_its_job_from_its_place_on(replay, redis_client):
    ids = fill(redis_client, ["a", "b"] * CHUNK)  # more than one read gives
    third = tuple(map(int, ids[2].split("-")))

    whole, rest, none = await asyncio.gather(
        replay.of_job("a", START), replay.of_job("a", third), replay.of_job("c", START)
    )

    assert len(whole) == CHUNK
    assert rest == whole[2:]
    assert none == []


async def test_who_asks_while_the_stream_cannot_be_read_is_told_and_may_ask_again(
    replay, redis_client
):
    redis_client.set(keys.EVENTS, "no stream")

    for failed in await asyncio.gather(
        *(replay.of_job(job, START) for job in "ab"), return_exceptions=True
    ):
        assert isinstance(failed, RedisUnavailable)

    redis_client.delete(keys.EVENTS)
    fill(redis_client, "a")
    assert len(await replay.of_job("a", START)) == 1


async def test_who_leaves_while_it_asks_holds_up_nobody(replay, redis_client):
    fill(redis_client, "a")
    leaving = asyncio.create_task(replay.of_job("a", START))
    staying = asyncio.create_task(replay.of_job("a", START))
    await asyncio.sleep(0)
    leaving.cancel()

    assert len(await staying) == 1
