"""Workers and schedulers: those that are missing, dead, suspended or paused."""

import time

from rq import Queue
from rq.suspension import suspend

from app.options import JobOptions
from app.queue import keys
from tests.doctor.conftest import ago, levels


def test_queues_that_nobody_serves_are_named_those_of_others_too(found, hire, redis_client):
    hire("w", "high", "default")
    Queue("others", connection=redis_client).enqueue("os.getcwd")

    finding = found("queues-served")

    assert finding.message == "no live worker serves low, others"
    assert finding.remedy == "python worker.py low others"
    hire("v", "low", "others")
    assert found("queues-served").message == "2 live workers, and each queue has one"


def test_a_scheduler_that_is_missing_is_said_with_what_waits_for_it(found, put, redis_client):
    for queue in ("high", "low"):
        redis_client.set(keys.scheduler_lock(queue), "a-scheduler")
    put(JobOptions(delay=60, queue="default"))

    assert found("scheduler").message == (
        "no scheduler is alive for default: delayed jobs and retries do not run, 1 wait now"
    )
    redis_client.set(keys.scheduler_lock("default"), "a-scheduler")
    assert levels(found("scheduler")) == ("ok", True)


def test_workers_that_died_are_told_from_those_that_live(found, hire, redis_client):
    hire("alive")
    redis_client.delete(hire("gone"))
    redis_client.expire(hire("ours"), 20)
    silent = hire("silent")
    redis_client.hset(silent, "last_heartbeat", ago(19))
    redis_client.expire(silent, 1)
    odd = hire("odd")
    redis_client.hset(odd, "last_heartbeat", "noon")
    string = keys.worker("string")
    redis_client.set(string, "no hash")
    redis_client.sadd(keys.WORKERS, string)
    idle = hire("idle")  # RQ's own renews its record after 405 s of 480
    redis_client.hset(idle, "last_heartbeat", ago(404))
    redis_client.expire(idle, 76)

    assert found("dead-workers").message == "4 registered and silent: gone, odd, silent, string"
    assert found("queues-served").message.startswith("3 live workers")


def test_a_heartbeat_from_the_future_tells_of_a_clock(found, hire, redis_client):
    redis_client.hset(hire("early"), "last_heartbeat", ago(-30))

    assert found("workers-clocks").message == "heartbeats from the future: early"


def test_suspended_workers_are_said_with_how_they_go_on(found, redis_client):
    suspend(redis_client)

    assert found("suspended").remedy == "rq resume"


def test_paused_queues_are_said_with_what_waits_and_how_each_goes_on(
    found, put, hire, load, redis_client
):
    assert levels(found("paused-queues")) == ("ok", True)
    load("ours", "low", "high")
    put(JobOptions(queue="low"))
    redis_client.sadd(keys.PAUSED, "low", "another")

    paused = found("paused-queues")
    assert paused.level == "warn"
    assert paused.message == "since when is not known: another (0 wait), low (1 wait)"
    assert paused.remedy == (
        "when they are to go on: redis-cli SREM task-api:paused another, POST /queues/low/resume"
    )
    hire("stock", "low")
    assert found("paused-queues").message.endswith("; not heeded by 1 worker of RQ's own")


def test_jobs_of_dead_workers_that_nobody_takes_over_are_counted(found, redis_client):
    now = time.time()
    redis_client.zadd(keys.registry("started", "low"), {"a:1": now - 60, "b:1": now - 1})

    assert found("lost-jobs").message == ("jobs of dead workers that nobody takes over: 1 in low")
    assert found("lost-jobs", takeover_after=90).level == "ok"
