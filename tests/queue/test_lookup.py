"""A job as it stands, at every station of its life, and whatever somebody has put in its place."""

import asyncio
import os
import pickle
import zlib
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from rq import Queue, Retry
from rq.job import Job as RQJob
from rq.job import JobStatus

from app.errors import RedisUnavailable, UnknownJob, UnreadableJob
from app.options import JobOptions
from app.queue import attempts
from app.queue import lookup as lookup_module
from app.queue.wire import dumps
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work


@pytest.fixture
def look(ask):
    return lambda job_id: ask(lambda service: service.lookup.job(job_id))


@pytest.fixture
def stock(redis_client):
    """A queue as a plain RQ client has it."""
    return Queue("default", connection=redis_client)


# The stations of a job's life.


def test_a_queued_job_has_its_place_and_what_it_was_given(look, enqueue):
    first = enqueue(mine.send, to="ada")
    second = enqueue(mine.flaky, JobOptions(queue="default"), fails=1)

    assert look(first.id) == first
    found = look(second.id)
    assert found == second
    assert (found.position, found.attempt, found.max_attempts) == (1, 0, 3)
    assert (found.task, found.args, found.status) == ("flaky", {"fails": 1}, "queued")
    assert (found.result, found.error, found.worker, found.run_at) == (None,) * 4


def test_the_newest_event_is_asked_for_only_where_somebody_watches(
    look, ask, enqueue, redis_client
):
    job = enqueue(mine.send, to="ada")

    def streams_read(action):
        redis_client.config_resetstat()
        action()
        return redis_client.info("commandstats")["cmdstat_xrevrange"]["calls"]

    assert streams_read(lambda: look(job.id)) == 1  # the one of the job's results
    assert streams_read(lambda: ask(lambda service: service.lookup.seen(job.id))) == 2


def test_a_place_far_behind_is_not_looked_for(look, enqueue, monkeypatch):
    monkeypatch.setattr(lookup_module, "DEEPEST_POSITION", 2)
    jobs = [enqueue(mine.send, to="ada") for _ in range(3)]

    assert [look(job.id).position for job in jobs] == [0, 1, None]


def test_a_scheduled_job_says_when_it_will_be_queued(look, enqueue):
    job = enqueue(mine.send, JobOptions(delay=3600), to="ada")

    found = look(job.id)

    assert (found.status, found.position, found.enqueued_at) == ("scheduled", None, None)
    assert found.run_at == job.run_at


def test_a_started_job_names_its_worker_and_counts_its_attempt(look, enqueue, redis_client):
    job = enqueue(mine.flaky, fails=0)
    with redis_client.pipeline() as pipeline:
        RQJob.fetch(job.id, connection=redis_client).prepare_for_execution("a-worker", pipeline)
        pipeline.execute()

    found = look(job.id)

    assert (found.status, found.worker, found.attempt) == ("started", "a-worker", 1)
    assert abs(datetime.now(UTC) - found.started_at) < timedelta(seconds=5)
    assert found.position is None


@pytest.mark.usefixtures("signals")
class TestOutcomes:
    def test_a_finished_job_has_its_result(self, look, enqueue, redis_client):
        job = enqueue(mine.send, to="ada")
        work(redis_client)

        found = look(job.id)

        assert (found.status, found.error, found.position) == ("finished", None, None)
        assert found.result == {"to": "ada", "job": job.id, "attempt": 1}
        assert (found.attempt, found.max_attempts) == (1, 1)
        assert job.created_at <= found.started_at <= found.ended_at

    def test_a_failed_job_has_its_error_and_counts_all_attempts(self, look, enqueue, redis_client):
        job = enqueue(mine.flaky, fails=9)
        work(redis_client, "high")

        found = look(job.id)

        assert (found.status, found.result) == ("failed", None)
        assert (found.error.type, found.error.message) == ("ConnectionError", "attempt 3")
        assert found.error.traceback.startswith("Traceback (most recent call last):")
        assert (found.attempt, found.max_attempts) == (3, 3)

    def test_a_job_that_was_mended_shows_the_last_outcome_alone(self, look, enqueue, redis_client):
        job = enqueue(mine.flaky, fails=2)
        work(redis_client, "high")

        found = look(job.id)

        assert (found.status, found.result, found.error) == ("finished", 3, None)
        assert (found.attempt, found.max_attempts) == (3, 3)

    def test_a_job_that_waits_for_its_retry_has_no_outcome_yet(self, look, enqueue, redis_client):
        job = enqueue(mine.flaky, fails=1)
        redis_client.hset(f"rq:job:{job.id}", "retry_intervals", "[3600, 3600]")
        work(redis_client, "high")

        found = look(job.id)

        assert (found.status, found.error, found.attempt) == ("scheduled", None, 1)
        assert timedelta(minutes=59) < found.run_at - datetime.now(UTC) < timedelta(minutes=61)

    def test_a_job_that_gave_up_counts_the_attempts_that_it_made(self, look, enqueue, redis_client):
        jobs = [enqueue(mine.hopeless, after=after) for after in (0, 2)]
        work(redis_client)

        at_once, later = (look(job.id) for job in jobs)

        assert (at_once.status, at_once.error.type) == ("failed", "Hopeless")
        assert (at_once.attempt, at_once.max_attempts) == (1, 6)
        assert (later.attempt, later.max_attempts) == (3, 6)

    def test_a_job_of_a_plain_client_is_shown_under_its_functions_path(self, look, stock):
        job = stock.enqueue_call("math.hypot", args=(3, 4))
        work(stock.connection)

        found = look(job.id)

        assert (found.task, found.args, found.result) == ("math.hypot", {"0": 3, "1": 4}, 5.0)


def test_a_plain_clients_retries_without_intervals_count_no_attempt_below_nothing(look, stock):
    job = stock.enqueue_call("math.hypot", args=(3, 4), retry=Retry(max=3))

    found = look(job.id)

    assert (found.attempt, found.max_attempts) == (0, 4)


def test_a_status_that_is_not_known_passes_through(look, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(f"rq:job:{job.id}", "status", "from_a_newer_rq")

    assert look(job.id).status == "from_a_newer_rq"


FAILED = {"status": "failed", "started_at": "x"}
STARTED = {"status": "started", "started_at": "x"}
WAITS = {"status": "scheduled", "started_at": "x"}
QUEUED = {"status": "queued"}


def left(retries, intervals="[1, 2]"):
    return {"retries_left": retries, "retry_intervals": intervals}


@pytest.mark.parametrize(
    ("fields", "counted"),
    [
        ({}, (0, 1)),
        (QUEUED | left(2), (0, 3)),
        (STARTED, (1, 1)),
        ({"status": "canceled", "started_at": ""}, (0, 1)),
        (WAITS | left(1), (1, 3)),
        (STARTED | left(1), (2, 3)),
        (FAILED | left(0), (3, 3)),
        (FAILED | left(1), (2, 3)),  # the task gave up
        (QUEUED | left(1) | {"number_of_retries": 3}, (4, 6)),  # it asked for three by its result
        (QUEUED | left(2) | {"attempts_before": 3}, (3, 6)),  # somebody retried it
        (QUEUED | left(3, "[0]"), (0, 4)),  # a plain client's
    ],
)
def test_attempts_are_counted_from_what_rq_keeps(fields, counted):
    raw = {name.encode(): str(value).encode() for name, value in fields.items()}

    assert attempts.counted(raw) == counted


# What is no job.


@pytest.mark.parametrize(
    "job_id", ["nothing", "", "a:dependents", "größe", "a b", "../x", "\ud800", "a\n", "x" * 10_000]
)
def test_what_never_existed_is_unknown(look, job_id):
    with pytest.raises(UnknownJob):
        look(job_id)


def test_rqs_other_keys_are_no_jobs(look, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.sadd(f"rq:job:{job.id}:dependents", "x")

    with pytest.raises(UnknownJob):
        look(f"{job.id}:dependents")


def test_a_hash_that_a_late_heartbeat_has_left_is_no_job(look, redis_client):
    redis_client.hset("rq:job:left", "last_heartbeat", "2030-01-01T00:00:00.000000Z")

    with pytest.raises(UnknownJob):
        look("left")


# What somebody else has put there.


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "it-was-run"
    yield path
    assert not path.exists()


@pytest.fixture
def forged(canary):
    class Forged:
        def __reduce__(self):
            return os.mkdir, (str(canary),)

    return pickle.dumps({"a": Forged()})


def call(kwargs):
    return zlib.compress(pickle.dumps(("jobs.f", None, (), kwargs)))


def test_a_forged_call_is_told_of_that_job_alone(look, enqueue, redis_client, forged):
    job, other = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")
    redis_client.hset(f"rq:job:{job.id}", "data", zlib.compress(forged))

    with pytest.raises(UnreadableJob, match=r"call: The pickle names '\w+\.mkdir'") as refused:
        look(job.id)
    assert refused.value.facts["job_id"] == job.id
    assert look(other.id).args["to"] == "bob"


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("field", ["return_value", "exc_string"])
def test_a_forged_outcome_is_told_of_that_job_alone(look, enqueue, redis_client, forged, field):
    job, other = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")
    work(redis_client)
    redis_client.xadd(f"rq:results:{job.id}", {"type": 1, field: b64encode(forged)})

    with pytest.raises(UnreadableJob, match="result: "):
        look(job.id)
    assert look(other.id).result["to"] == "bob"


@pytest.mark.parametrize("key", ["rq:results:{}", "rq:job:{}"])
def test_a_key_of_another_type_is_told_of_its_job_and_not_of_redis(
    look, enqueue, redis_client, key
):
    job, other = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")
    redis_client.delete(key.format(job.id))
    redis_client.set(key.format(job.id), "something else")

    with pytest.raises(UnreadableJob, match=rf"{key.format(job.id)}: .*WRONGTYPE"):
        look(job.id)
    assert look(other.id).args["to"] == "bob"


def itself():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "kwargs",
    [
        {"a": float("nan")},
        {"a": b"\xff"},
        {"a": "\ud800"},
        {"a": itself()},
        {"a": datetime(2030, 1, 1, tzinfo=UTC)},
        {"a": 10**5000},
    ],
    ids=["nan", "bytes", "surrogate", "itself", "datetime", "endless number"],
)
def test_arguments_that_json_cannot_hold_are_told_of_that_job_alone(look, redis_client, kwargs):
    redis_client.hset("rq:job:odd", mapping={"data": call(kwargs), "status": "queued"})

    with pytest.raises(UnreadableJob, match="'odd'"):
        look("odd")


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("value", [float("nan"), b"\xff", "\ud800", itself()], ids=repr)
def test_a_result_that_json_cannot_hold_is_told_of_that_job_alone(
    look, enqueue, redis_client, value
):
    job = enqueue(mine.send, to="ada")
    work(redis_client)
    redis_client.xadd(f"rq:results:{job.id}", {"type": 1, "return_value": b64encode(dumps(value))})

    with pytest.raises(UnreadableJob, match="result: "):
        look(job.id)


def test_arguments_of_a_plain_client_that_json_can_show_are_shown(look, redis_client):
    redis_client.hset(
        "rq:job:odd", mapping={"data": call({"a": (1, {2}, b"text")}), "status": "queued"}
    )

    assert look("odd").args == {"a": [1, [2], "text"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", b"yesterday"),
        ("started_at", b"\xff"),
        ("enqueued_at", b"2030"),
        ("status", b"\xff"),
        ("origin", b"\xff"),
        ("worker_name", b"\xff"),
        ("retries_left", b"many"),
        ("number_of_retries", b"1.5"),
        ("attempts_before", b"many"),
        ("data", b"broken"),
        ("data", zlib.compress(dumps(7))),
    ],
)
def test_fields_that_rq_would_not_write_are_told_of_that_job_alone(
    look, enqueue, redis_client, field, value
):
    job, other = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")
    redis_client.hset(f"rq:job:{job.id}", field, value)

    with pytest.raises(UnreadableJob):
        look(job.id)
    assert look(other.id).args["to"] == "bob"


def test_what_remains_of_a_job_that_cannot_be_read_is_shown(ask, enqueue, redis_client, forged):
    job = enqueue(mine.flaky, fails=0)
    redis_client.hset(f"rq:job:{job.id}", "data", zlib.compress(forged))
    error = UnreadableJob(job_id=job.id, part="call", reason="forged")

    found = ask(lambda service: service.lookup.remains(job.id, error))

    assert (found.id, found.queue, found.status, found.args) == (job.id, "high", "queued", {})
    assert (found.error.type, found.error.message) == ("UnreadableJob", str(error))


# A Redis that is away.


@pytest.mark.parametrize("method", ["job", "remains"])
def test_a_redis_that_is_away_is_told(ask, proxy, settings, method):
    error = UnreadableJob(job_id="x", part="call", reason="x")
    args = ("x", error) if method == "remains" else ("x",)

    async def lose(service):
        await service.client.ping()
        proxy.close()
        return await getattr(service.lookup, method)(*args)

    with pytest.raises(RedisUnavailable):
        ask(lose, redis_url=type(settings.redis_url)(proxy.url))


def test_many_are_looked_at_at_once(ask, enqueue):
    jobs = [enqueue(mine.send, to=str(n)) for n in range(50)]

    async def all_of_them(service):
        return await asyncio.gather(*(service.lookup.job(job.id) for job in jobs))

    assert [job.args["to"] for job in ask(all_of_them)] == [str(n) for n in range(50)]


def test_every_status_of_rqs_is_known_by_its_name():
    known = {
        "scheduled",
        "deferred",
        "queued",
        "started",
        "finished",
        "failed",
        "stopped",
        "canceled",
    }

    assert {status.value for status in JobStatus} - {"created"} == known
