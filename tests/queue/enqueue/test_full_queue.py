"""A queue that holds as many jobs as it may."""

import contextlib

import pytest

from app.errors import QueueFull, RedisUnavailable
from app.options import JobOptions
from tests.queue import tasks_for_tests as mine


def test_a_full_queue_takes_no_more_until_there_is_room(enqueue, small, redis_client):
    for _ in range(3):
        enqueue(mine.send, by=small, to="ada")

    for _ in range(2):
        with pytest.raises(QueueFull, match="'default' holds 3 jobs"):
            enqueue(mine.send, by=small, to="ada")
    assert redis_client.llen("rq:queue:default") == 3
    assert len(redis_client.keys("rq:job:*")) == 3

    redis_client.lpop("rq:queue:default")
    enqueue(mine.send, by=small, to="ada")
    with pytest.raises(QueueFull):
        enqueue(mine.send, by=small, to="ada")


def test_a_full_queue_stops_no_other(enqueue, small):
    for _ in range(3):
        enqueue(mine.send, by=small, to="ada")

    assert enqueue(mine.send, JobOptions(queue="low"), by=small, to="ada").queue == "low"


def test_a_queue_that_somebody_else_has_filled_is_found_out(enqueue, small, redis_client):
    redis_client.rpush("rq:queue:default", *range(50))

    with contextlib.suppress(QueueFull):  # else it tells how long the queue is
        enqueue(mine.send, by=small, to="ada")
    with pytest.raises(QueueFull):
        enqueue(mine.send, by=small, to="ada")

    assert redis_client.llen("rq:queue:default") <= 51


def test_a_full_queue_whose_key_became_another_type_is_an_error_that_says_so(
    enqueue, small, redis_client
):
    for _ in range(3):
        enqueue(mine.send, by=small, to="ada")
    redis_client.set("rq:queue:default", "text")

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        enqueue(mine.send, by=small, to="ada")
