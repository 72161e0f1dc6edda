"""The scheduler: what is due is queued, by one scheduler for each queue, ours or RQ's."""

import time

import pytest
from rq.scheduler import RQScheduler

from app.worker.scheduler import INTERVAL, LOCK_EXPIRES, Scheduler
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import QUEUES


@pytest.fixture
def scheduler(redis_client):
    return Scheduler(redis_client, QUEUES)


def test_what_is_due_is_queued_and_the_rest_waits(scheduler, line, redis_client):
    due, later = line.put(sample.add, 1, delay=60), line.put(sample.add, 2, delay=60)
    line.make_due(due)

    scheduler.look()

    assert line.waiting() == [due.id]
    found = line.again(due)
    assert found.get_status() == "queued"
    assert abs(found.enqueued_at.timestamp() - time.time()) < 5
    assert redis_client.zrange("rq:scheduled:default", 0, -1) == [later.id.encode()]
    assert redis_client.sismember("rq:queues", "rq:queue:default")


def test_it_looks_again_once_a_second_and_sooner_where_something_is_due(scheduler, line):
    assert scheduler.look() == INTERVAL
    job = line.put(sample.add, 1, delay=60)
    line.redis.zadd("rq:scheduled:default", {job.id: time.time() + 0.4})

    assert 0.2 < scheduler.look() < 0.45


def test_jobs_are_queued_in_the_order_of_their_times(scheduler, line, redis_client):
    jobs = [line.put(sample.add, number, delay=60) for number in range(3)]
    for place, job in zip((3, 1, 2), jobs, strict=True):
        redis_client.zadd("rq:scheduled:default", {job.id: place})

    scheduler.look()

    assert line.waiting() == [jobs[1].id, jobs[2].id, jobs[0].id]


@pytest.mark.parametrize("status", ["canceled", "finished"])
def test_what_has_ended_meanwhile_is_dropped(scheduler, line, redis_client, status):
    job = line.put(sample.add, 1, delay=60)
    line.make_due(job)
    redis_client.hset(f"rq:job:{job.id}", "status", status)

    scheduler.look()

    assert line.waiting() == []
    assert line.again(job).get_status() == status


def test_what_is_gone_or_no_job_is_dropped_and_holds_nothing_up(scheduler, line, redis_client):
    job = line.put(sample.add, 1, delay=60)
    line.make_due(job)
    redis_client.set("rq:job:odd", "text")
    redis_client.zadd("rq:scheduled:default", {"gone": 1, "odd": 0})

    with pytest.raises(Exception, match="WRONGTYPE"):
        scheduler.look()
    scheduler.look()

    assert line.waiting() == [job.id]
    assert redis_client.zcard("rq:scheduled:default") == 0


def test_queues_that_rqs_scheduler_serves_are_left_to_it(scheduler, line, redis_client):
    theirs = RQScheduler(["default"], redis_client)
    theirs.acquire_locks()
    default, high = line.put(sample.add, 1, delay=60), line.put(sample.add, 1, delay=60)
    line.make_due(default)
    redis_client.zrem("rq:scheduled:default", high.id)
    redis_client.zadd("rq:scheduled:high", {high.id: 1})

    scheduler.look()

    assert line.waiting("default") == []
    assert line.waiting("high") == [high.id]
    theirs.release_locks()
    scheduler.look()
    assert line.waiting("default") == [default.id]


def test_rqs_scheduler_leaves_ours_to_us(scheduler, redis_client):
    scheduler.look()

    assert RQScheduler(["default"], redis_client).acquire_locks() == set()
    assert 0 < redis_client.ttl("rq:scheduler-lock:default") <= LOCK_EXPIRES


def test_of_two_the_second_serves_once_the_first_is_gone(scheduler, line, redis_client):
    second = Scheduler(redis_client, QUEUES)
    scheduler.look()
    job = line.put(sample.add, 1, delay=60)
    line.make_due(job)

    second.look()
    assert line.waiting() == []
    scheduler.release()
    second.look()

    assert line.waiting() == [job.id]


def test_it_is_known_as_rqs_is(scheduler, redis_client):
    scheduler.look()

    found = RQScheduler.fetch(scheduler._name, redis_client)
    assert found._queue_names == set(QUEUES)
    assert found.pid
    scheduler.release()
    assert redis_client.keys("rq:scheduler*") == []


def test_leaving_takes_no_lock_of_somebody_else(scheduler, redis_client):
    redis_client.set("rq:scheduler-lock:default", "theirs")
    scheduler.look()

    scheduler.release()

    assert redis_client.get("rq:scheduler-lock:default") == b"theirs"
