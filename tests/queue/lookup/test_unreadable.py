"""Whatever somebody has put in a job's place is told of that job alone."""

import os
import pickle
import zlib
from base64 import b64encode
from datetime import UTC, datetime

import pytest

from app.errors import UnreadableJob
from app.queue.wire import dumps
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work


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
