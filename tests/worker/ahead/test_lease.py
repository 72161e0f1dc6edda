"""The lease of all that a worker has in hand."""

import pytest

from app.queue.connection import dedicated
from app.queue.held import Held
from app.worker.aside import Aside
from app.worker.heartbeat import Heartbeat
from app.worker.hotline import Hotline
from app.worker.recovery import Recovery
from app.worker.slot import NOTHING, Doing, Record
from app.worker.turn import Turns
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import QUEUES
from worker import Worker


@pytest.fixture
def claimed_ahead(redis_client, line, worker_settings):
    """Claim one job, and another ahead of it, as the horse of worker `w`."""
    jobs = [line.put(sample.add, number) for number in range(3)]
    connection = dedicated(redis_client)
    turns = Turns(Hotline(lambda: connection, lambda **_: True), "w", QUEUES, 9)
    running = turns.next(None, None, claim=True).claim
    waiting = turns.next(None, None, claim=True, running=running).claim
    yield jobs, running, waiting
    connection.disconnect()


def test_a_dead_worker_is_no_reason_to_count_a_job_that_it_had_only_claimed_ahead(
    claimed_ahead, line
):
    (first, second, third), _, _ = claimed_ahead
    for entry in line.redis.zrange("rq:wip:default", 0, -1):
        line.redis.zadd("rq:wip:default", {entry: 1})

    Recovery(line.redis, QUEUES, Aside()).take_over()

    assert "its worker died" in line.error(first)
    assert line.waiting() == [second.id, third.id]
    assert line.redis.hget(f"rq:job:{second.id}", "crashes") is None


def test_a_worker_renews_all_that_its_horse_has_in_hand(
    claimed_ahead, line, redis_client, worker_settings
):
    (first, second, _), running, waiting = claimed_ahead
    ended = line.put(sample.add, 9, queue="low")
    redis_client.zadd("rq:wip:low", {f"{ended.id}:x": 5})
    for entry in redis_client.zrange("rq:wip:default", 0, -1):
        redis_client.zadd("rq:wip:default", {entry: 5})
    worker = Worker(QUEUES, "w", connection=redis_client, settings=worker_settings)
    heartbeat = Heartbeat(worker, lease=9)
    heartbeat.registered = True
    redis_client.hset("rq:worker:w", "birth", "2026-01-01T00:00:00Z")

    heartbeat.beat(
        Record(Doing.RUNNING, 0.0, 0.0, running.held),
        Record(Doing.RECORDING, 0.0, 0.0, Held(ended.id, "x", "low")),
    )

    now = redis_client.time()[0]
    for job, claim in ((first, running), (second, waiting)):
        assert redis_client.zscore("rq:wip:default", f"{job.id}:{claim.execution_id}") > now + 7
    assert redis_client.zscore("rq:wip:low", f"{ended.id}:x") > now + 7


@pytest.mark.parametrize("lease", [9, 72])
def test_a_workers_record_is_there_until_what_it_has_in_hand_is_taken_over(
    redis_client, worker_settings, lease
):
    worker = Worker(QUEUES, "w", connection=redis_client, settings=worker_settings)

    Heartbeat(worker, lease).beat(NOTHING)

    looks = lease / 3  # seconds between two looks at what has expired
    assert redis_client.pttl("rq:worker:w") / 1000 > lease + looks


def test_a_worker_that_has_nothing_in_hand_renews_nothing(redis_client, line, worker_settings):
    worker = Worker(QUEUES, "w", connection=redis_client, settings=worker_settings)

    Heartbeat(worker, lease=9).beat(NOTHING)

    assert redis_client.keys("rq:execution*") == []
    assert b"current_job_working_time" not in redis_client.hgetall("rq:worker:w")
