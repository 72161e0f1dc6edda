"""Enqueueing while Redis is away, and after it."""

import asyncio
import socket
import time

import pytest
from pydantic import SecretStr
from rq.job import Job as RQJob

from app.errors import RedisUnavailable
from app.options import DEFAULT_OPTIONS
from app.queue.enqueue import Enqueuer
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import end


def test_a_redis_that_is_away_is_told_soon(enqueue, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (1, silent.getsockname()[1]):
            away = Enqueuer(
                settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}")})
            )
            begun = time.monotonic()
            with pytest.raises(RedisUnavailable, match="Redis does not answer"):
                enqueue(mine.send, by=away, to="ada")
            assert time.monotonic() - begun < 2  # where redis-py by itself takes four


def test_a_job_whose_confirmation_is_lost_is_refused_and_not_sent_again(
    enqueue, settings, proxy, redis_client
):
    by = Enqueuer(settings.model_copy(update={"redis_url": SecretStr(proxy.url)}))
    enqueue(mine.send, by=by, to="ada")
    proxy.lose_reply_to = b"PUSH"

    with pytest.raises(RedisUnavailable):
        enqueue(mine.send, by=by, to="bob")

    proxy.lose_reply_to = None
    assert len(proxy.taken) == 1
    # It may have been taken all the same, but it was not taken twice; and the next one is.
    third = enqueue(mine.send, by=by, to="eve")
    kwargs = [
        RQJob.fetch(found.decode(), connection=redis_client).kwargs["to"]
        for found in redis_client.lrange("rq:queue:default", 0, -1)
    ]
    assert kwargs in (["ada", "bob", "eve"], ["ada", "eve"])
    assert third.position == len(kwargs) - 1


def test_it_works_again_by_itself_once_redis_is_back(enqueue, settings, serve):
    port = serve()
    by = Enqueuer(settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}")}))
    enqueue(mine.send, by=by, to="ada")
    end(port)

    with pytest.raises(RedisUnavailable):
        enqueue(mine.send, by=by, to="ada")

    serve(port=port)
    assert enqueue(mine.send, by=by, to="ada").position == 0


def test_the_event_loop_is_not_blocked_while_redis_says_nothing(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = SecretStr(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        by = Enqueuer(settings.model_copy(update={"redis_url": url}))

        async def scenario():
            ticks = 0
            job = asyncio.create_task(by.aenqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS))
            while not job.done():
                ticks += 1
                await asyncio.sleep(0.01)
            await by.aclose()
            return ticks, job.exception()

        ticks, error = asyncio.run(scenario())

    assert isinstance(error, RedisUnavailable)
    assert ticks > 20
