"""Waiting for a job on any queue, without taking it."""

import os
import threading
import time

import pytest
from redis.exceptions import RedisError

from app.queue.connection import dedicated
from app.worker import doorbell as module
from app.worker.doorbell import Doorbell

QUEUES = ["high", "default", "low"]


@pytest.fixture
def bell(redis_client):
    bell = Doorbell(lambda: dedicated(redis_client), QUEUES)
    yield bell
    bell.close()


@pytest.fixture
def wake():
    hear, ring = os.pipe()
    yield hear, ring
    os.close(hear)
    os.close(ring)


@pytest.fixture
def push(redis_client):
    """Push a job in a moment, as another process does."""
    started = []

    def push(queue, seconds=0.1):
        started.append(threading.Timer(seconds, redis_client.rpush, (f"rq:queue:{queue}", "job")))
        started[-1].start()

    yield push
    for timer in started:
        timer.join()


@pytest.mark.parametrize("queue", QUEUES)
def test_it_rings_for_a_job_on_any_queue_and_leaves_it_there(bell, wake, push, redis_client, queue):
    push(queue)
    begun = time.monotonic()

    bell.wait(wake[0], 60)

    assert 0.05 < time.monotonic() - begun < 30
    assert redis_client.lrange(f"rq:queue:{queue}", 0, -1) == [b"job"]


def test_it_rings_at_once_where_there_is_a_job(bell, wake, redis_client):
    redis_client.rpush("rq:queue:low", "job")

    bell.wait(wake[0], 60)

    assert redis_client.llen("rq:queue:low") == 1


def test_it_rings_again_and_again(bell, wake, push, redis_client):
    for _ in range(3):
        push("default", 0.05)
        bell.wait(wake[0], 60)
        assert redis_client.lpop("rq:queue:default") == b"job"


def test_what_it_leaves_stays_in_order(bell, wake, redis_client):
    redis_client.rpush("rq:queue:default", *"abcdef")

    for _ in range(4):
        bell.wait(wake[0], 60)

    assert b"".join(redis_client.lrange("rq:queue:default", 0, -1)) == b"abcdef"


def test_it_does_not_ring_where_nothing_comes(bell, wake):
    begun = time.monotonic()

    bell.wait(wake[0], 0.2)

    assert time.monotonic() - begun >= 0.2


def test_it_does_not_ring_for_a_paused_queue_and_rings_for_the_others(
    bell, wake, push, redis_client
):
    redis_client.rpush("rq:queue:high", "held")
    begun = time.monotonic()
    bell.wait(wake[0], 0.2, {"high"})
    assert time.monotonic() - begun >= 0.2

    push("low")
    bell.wait(wake[0], 60, {"high"})

    assert time.monotonic() - begun < 30
    assert redis_client.llen("rq:queue:high") == 1


def test_where_it_waited_already_for_a_queue_that_is_paused_it_rings_once(bell, wake, redis_client):
    bell.wait(wake[0], 0.0)
    redis_client.rpush("rq:queue:high", "held")
    bell.wait(wake[0], 60, {"high"})
    begun = time.monotonic()

    bell.wait(wake[0], 0.2, {"high"})

    assert time.monotonic() - begun >= 0.2


def test_it_rings_for_a_resumed_queue(bell, wake, redis_client):
    redis_client.rpush("rq:queue:high", "held")
    bell.wait(wake[0], 0.05, QUEUES)
    begun = time.monotonic()

    bell.wait(wake[0], 60)

    assert time.monotonic() - begun < 30


def test_a_short_wait_keeps_the_connections(bell, wake, redis_client):
    bell.wait(wake[0], 0.05, {"high"})
    before = set(bell._queue_at)

    bell.wait(wake[0], 0.05, {"high"})

    assert set(bell._queue_at) == before
    assert len(before) == len(QUEUES)


def test_it_returns_where_the_supervisor_wants_something(bell, wake):
    hear, ring = wake
    threading.Timer(0.1, os.write, (ring, b"x")).start()
    begun = time.monotonic()

    bell.wait(hear, 60)

    assert time.monotonic() - begun < 30


def test_a_lost_connection_is_told_and_a_new_wait_works(bell, wake, push, redis_client):
    bell.wait(wake[0], 0.05)  # they are open and wait
    bell.wait(wake[0], 0.0)
    push("default", 0.0)
    bell.wait(wake[0], 60)
    redis_client.delete("rq:queue:default")
    bell._arm()
    for client in redis_client.client_list():
        if client["cmd"] == "blmove":
            redis_client.client_kill(client["addr"])

    with pytest.raises((RedisError, OSError)):
        bell.wait(wake[0], 60)
    bell.close()

    push("high")
    bell.wait(wake[0], 60)
    assert redis_client.llen("rq:queue:high") == 1


def test_connections_that_died_silently_are_given_up(bell, wake, monkeypatch, redis_client):
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(module, "ANSWERS_WITHIN", -0.05)  # before Redis can answer
    begun = time.monotonic()

    bell.wait(wake[0], None)

    assert time.monotonic() - begun < 30
    assert bell._waiting == {}


def test_several_workers_hear_of_one_job(redis_client, wake, push):
    bells = [Doorbell(lambda: dedicated(redis_client), QUEUES) for _ in range(3)]
    heard = []

    def wait(bell):
        bell.wait(wake[0], 60)
        heard.append(bell)

    threads = [threading.Thread(target=wait, args=(bell,)) for bell in bells]
    for thread in threads:
        thread.start()
    push("low", 0.2)
    for thread in threads:
        thread.join(5)

    assert len(heard) == 3
    for bell in bells:
        bell.close()
