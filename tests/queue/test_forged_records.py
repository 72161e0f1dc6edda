"""Records that nobody of ours writes: one job's trouble stays its own, and is told by its name."""

import asyncio
import json

import pytest

from app.errors import UnreadableJob
from app.job_list import JobQuery
from app.options import JobOptions
from app.queue.connection import connect_async
from app.queue.event import read_event, seen_event
from app.queue.lists.listing import Listing
from app.queue.lookup import Lookup
from app.queue.moment import moment_of_score
from tests.queue import tasks_for_tests as mine

DEEP = b"[" * 200_000
LONE_SURROGATE = b'["\\ud800"]'

LABELLED = JobOptions(label="night", delay=60)


@pytest.fixture
def ids(settings, catalogue):
    """Give the ids of a list."""

    async def ask(**query):
        async with connect_async(settings) as client:
            lookup = Lookup(client, catalogue, settings)
            try:
                page = await Listing(client, lookup, catalogue, settings).page(JobQuery(**query))
            finally:
                await lookup.aclose()
            return [(job.id, job.error.type if job.error else None) for job in page.jobs]

    return lambda **query: asyncio.run(ask(**query))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("labels", value) for value in (DEEP, LONE_SURROGATE, b"x", b"5", b"[5]", b"{}")),
        *(("expires_at", value) for value in (b"inf", b"nan", b"1e18", b"1e300", b"soon")),
        ("progress", b"{}"),
        ("callback", b"\xff"),
        ("duplicates", b"many"),
    ],
)
def test_a_field_that_cannot_be_read_is_told_of_that_job_alone(
    ask, enqueue, ids, redis_client, field, value
):
    other, job = (enqueue(mine.send, LABELLED, to=name) for name in ("ada", "bob"))
    redis_client.hset(f"rq:job:{job.id}", field, value)

    with pytest.raises(UnreadableJob):
        ask(lambda service: service.lookup.job(job.id))
    assert ids() == [(job.id, "UnreadableJob"), (other.id, None)]
    assert (other.id, None) in ids(label=["night"])

    ask(lambda service: service.control.delete(job.id))

    assert ids() == [(other.id, None)]
    assert not redis_client.exists(f"rq:job:{job.id}")


@pytest.mark.parametrize(
    "value",
    [DEEP, b'{"start": null, "end": null, "worker": null, "error": {"type": "\\ud800"}}', b"[]"],
)
def test_an_attempt_that_cannot_be_read_is_told_of_that_job_alone(
    ask, enqueue, ids, redis_client, value
):
    other, job = (enqueue(mine.send, to=name) for name in ("ada", "bob"))
    redis_client.hset(f"rq:job:{job.id}", mapping={"attempts_before": 1, "attempt:1": value})

    with pytest.raises(UnreadableJob):
        ask(lambda service: service.lookup.job(job.id))
    assert ids() == [(job.id, "UnreadableJob"), (other.id, None)]


@pytest.mark.parametrize("value", [DEEP, LONE_SURROGATE, b"{}", b"5", b"\xff"])
def test_parents_that_cannot_be_read_are_none(ask, enqueue, redis_client, value):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(f"rq:job:{job.id}", "dependency_ids", value)

    assert ask(lambda service: service.lookup.job(job.id)).after == []


def test_a_time_beyond_the_calendar_is_none_that_a_job_is_due(ask, enqueue, ids, redis_client):
    job = enqueue(mine.send, JobOptions(delay=60), to="ada")
    redis_client.zadd("rq:scheduled:default", {job.id: "inf"})

    assert ask(lambda service: service.lookup.job(job.id)).run_at is None
    assert ids() == [(job.id, None)]


@pytest.mark.parametrize("seconds", [b"inf", float("inf"), 1e18, -1e300, float("nan"), b"x"])
def test_a_score_that_is_no_time_of_the_calendar_is_none(seconds):
    assert moment_of_score(seconds) is None


@pytest.mark.parametrize("labels", [DEEP, LONE_SURROGATE, b"5", b"null", b"\xff"])
def test_an_event_whose_labels_cannot_be_read_has_none(labels):
    fields = [b"job", b"j", b"status", b"queued", b"labels", labels]

    assert read_event(b"1-0", fields).labels == ()
    assert seen_event("j", [b"queued", b"t", b"q", labels]).labels == ()


@pytest.mark.parametrize("value", [b"x", b"-1", b"9" * 30, b"1.5", b"\xff"])
@pytest.mark.parametrize("field", ["result_ttl", "failure_ttl", "description", "callback"])
def test_a_job_is_retried_by_hand_whatever_its_record_says_of_its_callback(
    ask, enqueue, redis_client, field, value
):
    options = JobOptions(delay=60, callback="https://hooks.example/")
    job = enqueue(mine.send, options, to="ada")
    ask(lambda service: service.control.cancel(job.id))
    if field != "callback" or value != b"\xff":  # which is no text, and told of that job
        redis_client.hset(f"rq:job:{job.id}", field, value)

    ask(lambda service: service.control.retry(job.id))

    assert redis_client.hget(f"rq:job:{job.id}", "status") == b"queued"
    [callback] = redis_client.smembers(f"rq:job:{job.id}:dependents")
    kept = redis_client.hget(f"rq:job:{callback.decode()}", "failure_ttl")
    assert 86_400 <= int(kept) <= 315_360_000


def spoil_dependent(redis_client, first, _):
    redis_client.set("rq:job:0", "no hash")
    redis_client.sadd(f"rq:job:{first.id}:dependents", "0")


def spoil_queue(redis_client, first, _):
    redis_client.hset("rq:job:0", mapping={"status": "deferred", "after_failure": "cancel"})
    redis_client.sadd(f"rq:job:{first.id}:dependents", "0")


def spoil_parents(redis_client, _, after):
    redis_client.delete(f"rq:job::{after.id}:dependencies")
    redis_client.set(f"rq:job::{after.id}:dependencies", "no set")


def spoil_ttl(redis_client, _, after):
    redis_client.hset(f"rq:job:{after.id}", "failure_ttl", "1e400")


@pytest.mark.parametrize("spoil", [spoil_dependent, spoil_queue, spoil_parents, spoil_ttl])
def test_a_broken_record_does_not_hold_up_the_end_of_the_job_that_it_waits_for(
    ask, enqueue, redis_client, spoil
):
    first = enqueue(mine.send, JobOptions(delay=60), to="ada")
    after = enqueue(mine.send, JobOptions(after=first), to="bob")
    spoil(redis_client, first, after)

    ask(lambda service: service.control.cancel(first.id))

    statuses = [redis_client.hget(f"rq:job:{job.id}", "status") for job in (first, after)]
    assert statuses == [b"canceled", b"canceled"]
    assert 0 < redis_client.ttl(f"rq:job:{after.id}") <= 604_800


@pytest.mark.parametrize("lock", ["rq:queue:default", "task-api:lock:of another type"])
def test_what_a_forged_record_names_as_its_lock_is_left_alone(ask, enqueue, redis_client, lock):
    waiting = enqueue(mine.send, to="ada")
    redis_client.rpush("task-api:lock:of another type", "x")
    job = enqueue(mine.send, JobOptions(delay=60), to="bob")
    redis_client.hset(f"rq:job:{job.id}", "lock", lock)

    ask(lambda service: service.control.cancel(job.id))
    if lock.startswith("rq:"):
        ask(lambda service: service.control.retry(job.id))
        assert redis_client.lrange(lock, 0, -1) == [waiting.id.encode(), job.id.encode()]

    assert redis_client.type(lock) == b"list"


def test_a_job_of_two_parents_that_end_together_leaves_nothing_behind(ask, enqueue, redis_client):
    """The second parent is canceled by the end of the first, which the job may run after."""
    first = enqueue(mine.send, JobOptions(delay=60), to="ada")
    second = enqueue(mine.send, JobOptions(after=first), to="bob")
    last = enqueue(mine.send, JobOptions(after=[first, second], after_failure="run"), to="cy")

    ask(lambda service: service.control.cancel(first.id))

    assert redis_client.lrange("rq:queue:default", 0, -1) == [last.id.encode()]
    assert redis_client.keys("rq:job:*:depend*") == []


def test_labels_stay_readable_text_in_the_index_of_their_name(enqueue, redis_client, ids):
    labels = ("a:b\"'", "😀", "\u2028", "task-api:jobs")
    job = enqueue(mine.send, JobOptions(label=labels), to="ada")

    assert json.loads(redis_client.hget(f"rq:job:{job.id}", "labels")) == list(labels)
    for label in labels:
        assert ids(label=[label]) == [(job.id, None)]
