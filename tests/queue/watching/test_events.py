"""The one reader of the stream: who is handed what, and what becomes of it when Redis goes away."""

import asyncio
import contextlib
import time

import pytest
import redis as client
from pydantic import SecretStr

from app.errors import RedisUnavailable
from app.local.embedded import EmbeddedRedis
from app.local.ports import any_free
from app.options import JobOptions
from app.queue import keys
from app.queue.connection import ANSWER_TIMEOUT, connect_async
from app.queue.event import MOST_EVENTS, Filter
from app.queue.scripts import script
from app.queue.transaction import Transaction
from app.queue.watching import events as events_module
from app.queue.watching import subscription
from app.queue.watching.events import BLOCK, Events
from app.queue.writer import BatchWriter
from app.settings import Settings
from tests.queue.tasks_for_tests import send

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def own_redis(tmp_path):
    """A real Redis of the test's own, to be stopped and started."""
    server = EmbeddedRedis(tmp_path / "own", port=any_free("127.0.0.1"))
    server.start()
    yield server
    server.stop()


@contextlib.asynccontextmanager
async def reading(settings):
    reader = BatchWriter(Transaction(connect_async(settings)))
    events = Events(connect_async(settings, socket_timeout=BLOCK + ANSWER_TIMEOUT), reader)
    try:
        yield events
    finally:
        await events.aclose()
        await reader.aclose()


def add(redis, job, status="queued", **fields):
    entry = {"job": job, "status": status, "task": "send", "queue": "default", **fields}
    return redis.xadd(keys.EVENTS, entry).decode()


async def heard(subscription, count, seconds=30.0):
    """Take so many events, and see that no more come."""
    found, until = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        found += await subscription.take(until - time.monotonic())
    return found + await subscription.take(0.05)


def names(found):
    return [(event.job, event.status) for event in found]


async def test_a_listener_is_handed_its_own_job_s_events_in_their_order(settings, redis_client):
    add(redis_client, "a", "before")
    async with reading(settings) as events, events.of_job("a") as listener:
        add(redis_client, "a", "queued", labels='["x"]')
        add(redis_client, "b", "queued")
        last = add(redis_client, "a", "started")

        found = await heard(listener, 2)

    assert names(found) == [("a", "queued"), ("a", "started")]
    assert found[0].labels == ("x",)
    assert f"{found[1].position[0]}-{found[1].position[1]}" == last
    assert abs(found[1].at - time.time()) < 5


async def test_a_filter_s_listener_is_handed_all_that_fits_and_nothing_else(settings, redis_client):
    wanted = Filter(frozenset({"queued", "failed"}), "default", "send", frozenset({"x", "y"}))
    async with reading(settings) as events, events.that_fit(wanted) as listener:
        add(redis_client, "1", "failed", labels='["x", "y", "z"]')
        add(redis_client, "2", "started", labels='["x", "y"]')
        add(redis_client, "3", "failed", labels='["x"]')
        add(redis_client, "4", "failed", labels='["x", "y"]', queue="low")
        add(redis_client, "5", "failed", labels='["x", "y"]', task="other")
        add(redis_client, "6", "queued", labels='["y", "x"]')

        found = await heard(listener, 2)

    assert names(found) == [("1", "failed"), ("6", "queued")]


async def test_an_entry_that_nobody_of_us_wrote_harms_nobody(settings, redis_client):
    async with reading(settings) as events, events.that_fit(Filter()) as listener:
        redis_client.xadd(keys.EVENTS, {"other": "thing"})
        redis_client.xadd(keys.EVENTS, {b"\xff": b"\xff", "labels": "{"})
        add(redis_client, "a")

        found = await heard(listener, 3)

    assert names(found) == [("", None), ("", None), ("a", "queued")]


async def test_a_thousand_listeners_share_one_connection(settings, redis_client):
    async with reading(settings) as events, contextlib.AsyncExitStack() as stack:
        before = len(redis_client.client_list())
        listeners = [await stack.enter_async_context(events.of_job(str(n))) for n in range(1000)]
        every = await stack.enter_async_context(events.that_fit(Filter()))
        pipeline = redis_client.pipeline()
        for number in range(1000):
            add_to(pipeline, str(number))
        pipeline.execute()

        found = [await heard_one(listener) for listener in listeners]
        assert len(await heard(every, 1000)) == 1000
        assert len(redis_client.client_list()) <= before + 2

    assert found == [[(str(number), "queued")] for number in range(1000)]


def add_to(pipeline, job):
    pipeline.xadd(keys.EVENTS, {"job": job, "status": "queued", "task": "t", "queue": "q"})


async def heard_one(listener):
    return names(await listener.take(30.0))


async def test_nothing_is_read_when_nobody_has_listened_for_a_while(
    settings, redis_client, monkeypatch
):
    monkeypatch.setattr(events_module, "LINGER", 0.1)
    monkeypatch.setattr(events_module, "BLOCK", 0.1)
    async with reading(settings) as events:
        async with events.of_job("a"):
            await asyncio.sleep(0.1)
            assert [c for c in redis_client.client_list() if c["cmd"] == "xread"]
        await asyncio.sleep(0.5)
        assert not [c for c in redis_client.client_list() if c["cmd"] == "xread"]

        async with events.of_job("a") as listener:
            add(redis_client, "a", "again")
            assert names(await heard(listener, 1)) == [("a", "again")]


async def test_a_listener_that_is_too_slow_is_ended_and_the_others_are_not(
    settings, redis_client, monkeypatch
):
    monkeypatch.setattr(subscription, "MOST_WAITING", 10)
    async with (
        reading(settings) as events,
        events.that_fit(Filter()) as slow,
        events.of_job("last") as quick,
    ):
        for number in range(20):
            add(redis_client, str(number))
        add(redis_client, "last")
        assert names(await heard(quick, 1)) == [("last", "queued")]

        assert slow.ended
        assert names(await slow.take(1.0)) == [(str(number), "queued") for number in range(10)]
        assert await slow.take(1.0) == []
        assert not quick.ended


async def test_a_redis_that_comes_back_is_read_on_from_where_it_was(tmp_path, own_redis):
    settings = Settings(redis_url=SecretStr(own_redis.url), data_dir=tmp_path)
    with client.Redis.from_url(own_redis.url) as redis:
        async with reading(settings) as events, events.that_fit(Filter()) as listener:
            add(redis, "a", "queued")
            assert names(await heard(listener, 1)) == [("a", "queued")]
            own_redis.stop()
            await asyncio.sleep(0.3)
            own_redis.start()
            add(redis, "a", "started")
            add(redis, "a", "finished")

            assert names(await heard(listener, 2)) == [("a", "started"), ("a", "finished")]


async def test_without_a_redis_nobody_can_begin_to_listen_and_is_told_soon(tmp_path):
    url = SecretStr(f"redis://127.0.0.1:{any_free('127.0.0.1')}/0")
    async with reading(Settings(redis_url=url, data_dir=tmp_path)) as events:
        begun = time.monotonic()
        with pytest.raises(RedisUnavailable):
            async with events.of_job("a"):
                raise AssertionError
        assert time.monotonic() - begun < 20


async def test_who_may_have_missed_entries_is_ended_so_that_it_comes_back(
    settings, redis_client, monkeypatch
):
    monkeypatch.setattr(events_module, "SILENCE", 0.0)
    async with reading(settings) as events, events.of_job("a") as listener:
        assert not listener.ended
        add(redis_client, "b")
        redis_client.xtrim(keys.EVENTS, maxlen=0, approximate=False)
        add(redis_client, "c")
        await listener.take(30.0)
        assert listener.ended


async def test_closing_ends_those_who_listen_and_those_who_would(settings):
    async with reading(settings) as events, events.of_job("a") as before:
        waiting = asyncio.create_task(before.take(60))
        await asyncio.sleep(0.05)
        events.close()

        assert await asyncio.wait_for(waiting, 20) == []
        async with events.of_job("a") as after:
            assert after.ended


@pytest.mark.parametrize("change", ["hset", "delete"])
async def test_a_change_that_leaves_no_entry_is_seen_soon(settings, redis_client, enqueue, change):
    job = enqueue(send, JobOptions(label=("x",)), to="ada")
    async with reading(settings) as events, events.of_job(job.id) as listener:
        events.know(job.id, "queued", events.position)
        assert await listener.take(0.6) == []  # it stands as it is known to
        begun = time.monotonic()
        if change == "hset":
            redis_client.hset(keys.job(job.id), "status", "stopped")
        else:
            redis_client.delete(keys.job(job.id))

        [event] = await heard(listener, 1)

    assert time.monotonic() - begun < 20  # a quarter of a second, on a machine that is not busy
    assert event.position is None
    if change == "hset":
        assert event[1:6] == (job.id, "stopped", "send", "default", ("x",))
    else:
        assert event.status is None
    assert event.is_last


async def test_a_change_that_has_left_its_entry_is_told_once(settings, redis_client):
    redis_client.hset(keys.job("a"), "status", "queued")
    async with reading(settings) as events, events.of_job("a") as listener:
        events.know("a", "queued", events.position)
        for status in ("started", "queued", "started", "finished"):
            pipeline = redis_client.pipeline()
            pipeline.hset(keys.job("a"), "status", status)
            add_status(pipeline, status)
            pipeline.execute()
            await asyncio.sleep(0.2)

        found = await heard(listener, 4)
        await asyncio.sleep(0.6)
        found += await listener.take(0)

    assert [event.status for event in found] == ["started", "queued", "started", "finished"]
    assert all(event.position for event in found)


async def test_what_a_look_has_told_is_not_told_again_by_an_entry_that_comes_late(
    settings, redis_client
):
    redis_client.hset(keys.job("a"), "status", "queued")
    async with reading(settings) as events, events.of_job("a") as listener:
        events.know("a", "queued", events.position)
        redis_client.hset(keys.job("a"), "status", "started")
        [seen] = await heard(listener, 1)
        add_status(redis_client, "started")
        redis_client.hset(keys.job("a"), "status", "finished")
        add_status(redis_client, "finished")
        [told] = await heard(listener, 1)

    assert (seen.status, seen.position) == ("started", None)
    assert told.status == "finished"
    assert told.position is not None


async def test_a_look_that_fails_is_not_the_last(settings, redis_client):
    redis_client.hset(keys.job("a"), "status", "queued")
    async with reading(settings) as events, events.of_job("a") as listener:
        events.know("a", "queued", events.position)
        redis_client.set(keys.EVENTS, "no stream")
        await asyncio.sleep(0.4)
        redis_client.delete(keys.EVENTS)
        redis_client.hset(keys.job("a"), "status", "stopped")

        [seen] = await heard(listener, 1)

    assert seen.status == "stopped"


async def test_scripts_and_python_keep_as_many_events():
    assert f"local MOST_EVENTS = {MOST_EVENTS} " in script("ended")


def add_status(pipeline, status):
    pipeline.xadd(keys.EVENTS, {"job": "a", "status": status, "task": "t", "queue": "q"})
