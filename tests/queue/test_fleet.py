"""Queues and workers, counted against what RQ's own classes write."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from rq import SimpleWorker
from rq.suspension import resume, suspend
from rq.utils import utcformat

from app.errors import RedisUnavailable, UnknownQueue
from app.options import JobOptions
from app.queue import keys
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work

NOTHING = dict.fromkeys(("queued", *keys.REGISTRIES), 0)


@pytest.fixture
def hire(redis_client):
    """Register a worker as RQ's own does when it starts."""

    def hire(name, *queues):
        worker = SimpleWorker(queues, connection=redis_client, name=name)
        worker.register_birth()
        worker.set_state("idle")
        return worker

    return hire


@pytest.fixture
def queues(ask):
    return lambda: {queue.name: queue for queue in ask(lambda service: service.fleet.queues())}


@pytest.fixture
def workers(ask):
    return lambda: ask(lambda service: service.fleet.workers())


@pytest.fixture
def readiness(ask):
    return lambda **changes: ask(lambda service: service.fleet.readiness(), **changes)


# Queues.


def test_all_queues_are_listed_in_order_of_priority_the_unused_ones_too(queues):
    found = queues()

    assert [(queue.name, queue.priority) for queue in found.values()] == [
        ("high", 0),
        ("default", 1),
        ("low", 2),
    ]
    for queue in found.values():
        assert queue.counts == NOTHING
        assert (queue.oldest_age, queue.paused, queue.workers) == (None, False, 0)


@pytest.mark.usefixtures("signals")
def test_jobs_are_counted_by_their_status(queues, enqueue, redis_client):
    enqueue(mine.send, to="ada")
    enqueue(mine.hopeless)
    work(redis_client)
    for _ in range(3):
        enqueue(mine.send, to="ada")
    for _ in range(2):
        enqueue(mine.send, JobOptions(delay=60), to="ada")
    enqueue(mine.send, JobOptions(queue="low"), to="ada")
    for status in ("started", "deferred", "canceled"):
        redis_client.zadd(f"{keys.REGISTRIES[status]}default", {"a": 1, "b": 2})

    found = queues()

    assert found["default"].counts == {
        "queued": 3,
        "started": 2,
        "finished": 1,
        "failed": 1,
        "scheduled": 2,
        "deferred": 2,
        "canceled": 2,
    }
    assert found["low"].counts == NOTHING | {"queued": 1}
    assert found["high"].counts == NOTHING


def test_the_age_is_that_of_the_job_that_is_served_next(queues, enqueue, redis_client):
    first = enqueue(mine.send, to="ada")
    enqueue(mine.send, to="bob")
    then = datetime.now(UTC) - timedelta(seconds=90)
    redis_client.hset(f"rq:job:{first.id}", "enqueued_at", utcformat(then))

    assert queues()["default"].oldest_age == pytest.approx(90, abs=2)


@pytest.mark.parametrize("ahead", [timedelta(seconds=30), timedelta(0)])
def test_an_age_is_never_below_nothing(queues, enqueue, redis_client, ahead):
    job = enqueue(mine.send, to="ada")
    later = utcformat(datetime.now(UTC) + ahead)
    redis_client.hset(f"rq:job:{job.id}", "enqueued_at", later)

    assert 0 <= queues()["default"].oldest_age < 2


def test_a_queue_whose_first_job_is_gone_has_no_age(queues, redis_client):
    redis_client.rpush("rq:queue:default", "gone")

    found = queues()["default"]

    assert (found.counts["queued"], found.oldest_age) == (1, None)


@pytest.mark.parametrize("enqueued_at", [b"yesterday", b"\xff", b""])
def test_a_job_that_cannot_be_read_hides_no_queue(queues, enqueue, redis_client, enqueued_at):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(f"rq:job:{job.id}", "enqueued_at", enqueued_at)

    assert queues()["default"].oldest_age is None


def test_what_is_no_job_hides_no_queue(queues, redis_client):
    redis_client.rpush("rq:queue:default", b"\xff")
    redis_client.rpush("rq:queue:low", "a-string")
    redis_client.set("rq:job:a-string", "x")

    assert [queue.counts["queued"] for queue in queues().values()] == [0, 1, 1]


def test_queues_are_paused_while_rq_is_suspended(queues, redis_client):
    suspend(redis_client)
    assert {queue.paused for queue in queues().values()} == {True}

    resume(redis_client)
    assert {queue.paused for queue in queues().values()} == {False}


def test_workers_are_counted_for_each_queue_that_they_serve(queues, hire):
    hire("one", "high", "default")
    hire("two", "high")

    assert {name: queue.workers for name, queue in queues().items()} == {
        "high": 2,
        "default": 1,
        "low": 0,
    }


def test_one_queue_is_shown_as_in_the_list(ask, queues, enqueue):
    enqueue(mine.send, to="ada")

    found = ask(lambda service: service.fleet.queue("default"))

    listed = queues()["default"]
    assert found.model_dump(exclude={"oldest_age"}) == listed.model_dump(exclude={"oldest_age"})
    assert found.priority == 1


@pytest.mark.parametrize("name", ["fast", "", "high "])
def test_a_queue_that_is_none_of_the_services_is_unknown(ask, redis_client, name):
    redis_client.rpush(f"rq:queue:{name}", "a")

    with pytest.raises(UnknownQueue, match="names them: high, default, low"):
        ask(lambda service: service.fleet.queue(name))


# Workers.


def test_a_worker_is_shown_with_what_it_has_written_of_itself(workers, hire, redis_client):
    worker = hire("one", "high", "default")
    worker.set_current_job_id("a-job")
    worker.set_state("busy")
    for _ in range(3):
        worker.increment_successful_job_count()
    worker.increment_failed_job_count()
    worker.increment_total_working_time(timedelta(seconds=2.5), redis_client)

    [found] = workers()

    assert (found.name, found.pid, found.state) == ("one", os.getpid(), "busy")
    assert (found.host, found.version) == (worker.hostname, worker.version)
    assert found.queues == ["high", "default"]
    assert found.current_job == "a-job"
    assert (found.successful_jobs, found.failed_jobs, found.working_seconds) == (3, 1, 2.5)
    assert abs(datetime.now(UTC) - found.born_at) < timedelta(seconds=5)
    assert abs(datetime.now(UTC) - found.last_heartbeat) < timedelta(seconds=5)


def test_a_worker_that_has_just_been_born_is_shown(workers, redis_client):
    SimpleWorker(["high"], connection=redis_client, name="new").register_birth()

    [found] = workers()

    assert (found.current_job, found.successful_jobs, found.working_seconds) == (None, 0, 0.0)


def test_workers_are_listed_by_name(workers, hire):
    for name in ("b", "c", "a"):
        hire(name, "high")

    assert [worker.name for worker in workers()] == ["a", "b", "c"]


def test_a_worker_that_has_ended_is_left_out(workers, hire, redis_client):
    hire("ended", "high").register_death()
    assert workers() == []

    redis_client.sadd("rq:workers", "rq:worker:ended")  # as a late heartbeat finds it
    assert workers() == []


def test_a_worker_whose_heartbeat_has_expired_is_left_out(workers, hire, redis_client):
    hire("dead", "high")
    hire("alive", "high")
    redis_client.delete("rq:worker:dead")

    assert [worker.name for worker in workers()] == ["alive"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pid", "many"),
        ("birth", "yesterday"),
        ("last_heartbeat", "2030"),
        ("successful_job_count", "1.5"),
        ("total_working_time", "long"),
        ("hostname", b"\xff"),
    ],
)
def test_a_worker_that_cannot_be_read_hides_no_other(
    workers, queues, hire, redis_client, field, value
):
    hire("one", "high")
    hire("two", "high")
    redis_client.hset("rq:worker:one", field, value)

    assert [worker.name for worker in workers()] == ["two"]
    assert queues()["high"].workers == 1


def test_a_key_that_is_no_workers_hides_no_other(workers, hire, redis_client):
    hire("two", "high")
    redis_client.set("rq:worker:one", "a string")
    redis_client.sadd("rq:workers", "rq:worker:one", b"\xff")

    assert [worker.name for worker in workers()] == ["two"]


# Readiness.


def test_a_service_is_ready_once_every_queue_has_a_worker(readiness, hire):
    found = readiness()
    assert not found.ready
    assert found.checks["redis"].ok
    assert not found.checks["workers"].ok
    assert found.checks["workers"].reason == "no worker is alive; start one with: python worker.py"

    hire("one", "high", "default")
    assert readiness().checks["workers"].reason == "no worker serves low"

    hire("two", "low")
    found = readiness()
    assert found.ready
    assert {name: check.model_dump() for name, check in found.checks.items()} == {
        "redis": {"ok": True, "reason": None},
        "workers": {"ok": True, "reason": None},
    }


def test_a_service_whose_redis_is_away_is_not_ready_and_says_so(readiness, proxy, settings):
    proxy.close()

    found = readiness(redis_url=type(settings.redis_url)(proxy.url))

    assert not found.ready
    assert not found.checks["redis"].ok
    assert found.checks["redis"].reason
    assert found.checks["workers"].reason == "unknown while Redis is away"


def test_a_service_whose_redis_is_lost_meanwhile_is_not_ready(ask, hire, redis_client):
    hire("one", "high", "default", "low")
    redis_client.delete("rq:workers")
    redis_client.set("rq:workers", "a string")

    found = ask(lambda service: service.fleet.readiness())

    assert not found.ready
    assert "WRONGTYPE" in found.checks["redis"].reason


@pytest.mark.parametrize("question", ["queues", "workers"])
def test_a_redis_that_is_away_is_told(ask, proxy, settings, question):
    proxy.close()

    with pytest.raises(RedisUnavailable):
        ask(
            lambda service: getattr(service.fleet, question)(),
            redis_url=type(settings.redis_url)(proxy.url),
        )


def test_a_redis_that_is_lost_between_two_questions_is_told(ask, redis_client):
    redis_client.set("rq:queue:default", "a string")

    with pytest.raises(RedisUnavailable):
        ask(lambda service: service.fleet.queues())
