"""Jobs whose time to start in is over while no worker of ours lives: seen by whoever looks."""

import asyncio
import time

import pytest

from app.errors import RedisUnavailable
from app.job_list import JobQuery
from app.options import JobOptions
from app.queue import keys
from app.queue.connection import connect_async
from app.queue.explaining.explain import Explainer
from app.queue.lists.listing import Listing
from app.queue.transaction import Transaction
from app.queue.watching.events import BLOCK, Events
from app.queue.writer import BatchWriter
from tests.queue.tasks_for_tests import send

NO_TASKS = ()
LATE = "it did not start within the time that `expires` gave it"


@pytest.fixture
def late(enqueue, redis_client):
    """Enqueue a job whose time is over, without a wait."""

    def late(**options):
        job = enqueue(send, JobOptions(expires=60, **options), to="ada")
        be_late(redis_client, job.id)
        return job

    return late


def be_late(redis_client, job_id):
    redis_client.hset(keys.job(job_id), "expires_at", time.time() - 1)
    redis_client.zadd(keys.EXPIRING, {job_id: time.time() - 1})


def statuses_told(redis_client, job_id):
    told = [fields for _, fields in redis_client.xrange(keys.EVENTS)]
    return [each[b"status"].decode() for each in told if each[b"job"].decode() == job_id]


@pytest.mark.parametrize("options", [{}, {"delay": 50}, {"after": "first"}])
def test_a_look_up_cancels_it_whatever_line_it_waits_in(ask, late, enqueue, redis_client, options):
    first = enqueue(send, to="bob")
    chosen = {"after": (first.id,)} if "after" in options else options
    job = late(**chosen)

    found = ask(lambda service: service.lookup.job(job.id))

    assert (found.status, found.error.message, found.position) == ("canceled", LATE, None)
    assert found.ended_at is not None
    assert statuses_told(redis_client, job.id)[-1] == "canceled"
    assert redis_client.lrange(keys.queue("default"), 0, -1) == [first.id.encode()]
    assert redis_client.zcard(keys.EXPIRING) == 0
    assert redis_client.zscore(keys.registry("canceled", "default"), job.id) is not None


def test_who_waits_for_it_is_told_its_end_and_the_event_of_that(ask, late, redis_client):
    job = late()

    seen = ask(lambda service: service.lookup.seen(job.id))

    [(newest, _)] = redis_client.xrevrange(keys.EVENTS, count=1)
    assert seen.job.status == "canceled"
    assert "-".join(map(str, seen.newest)) == newest.decode()


def test_what_was_to_run_after_it_is_settled_in_the_same_step(ask, late, enqueue):
    job = late()
    after = enqueue(send, JobOptions(after=(job.id,), after_failure="run"), to="bob")

    ask(lambda service: service.lookup.job(job.id))

    assert ask(lambda service: service.lookup.job(after.id)).status == "queued"


def test_an_explanation_says_why_it_is_canceled(ask, late):
    job = late()

    async def explain(service):
        settings = service.lookup._settings
        explainer = Explainer(service.client, service.lookup, service.fleet, settings)
        return await explainer.explain(job.id)

    found = ask(explain)

    assert (found.status, found.canceled_because, found.expires_at) == ("canceled", LATE, None)
    assert LATE in found.summary


@pytest.mark.parametrize("asked_for", [{}, {"status": ("queued",)}])
def test_a_page_shows_none_that_waits_in_vain(settings, ask, late, enqueue, asked_for):
    job, other = late(), enqueue(send, to="bob")

    async def page(service):
        listing = Listing(service.client, service.lookup, NO_TASKS, settings)
        return await listing.page(JobQuery(**asked_for))

    found = {each.id: each.status for each in ask(page).jobs}

    expected = {other.id: "queued"} if asked_for else {other.id: "queued", job.id: "canceled"}
    assert found == expected


def test_a_job_that_a_worker_has_just_taken_is_left_to_it(ask, late, redis_client):
    job = late()
    redis_client.lpop(keys.queue("default"))

    found = ask(lambda service: service.lookup.job(job.id))

    assert (found.status, found.error) == ("queued", None)
    assert statuses_told(redis_client, job.id) == ["queued"]


def test_a_later_attempt_is_not_held_to_the_time_of_the_first(ask, late, redis_client):
    job = late()
    redis_client.hset(keys.job(job.id), "started_at", "2026-11-20T13:52:06.673150Z")

    assert ask(lambda service: service.lookup.job(job.id)).status == "queued"


def test_a_clock_that_is_ahead_cancels_nothing_early(ask, enqueue, monkeypatch):
    job = enqueue(send, JobOptions(expires=60), to="ada")
    now = time.time
    monkeypatch.setattr("app.queue.late.time.time", lambda: now() + 120)

    assert ask(lambda service: service.lookup.job(job.id)).status == "queued"


def test_a_job_without_a_time_costs_one_round_trip_as_before(ask, enqueue, monkeypatch):
    job = enqueue(send, to="ada")
    sent = []
    write = BatchWriter.write
    monkeypatch.setattr(
        BatchWriter, "write", lambda self, commands: sent.append(commands) or write(self, commands)
    )

    ask(lambda service: service.lookup.seen(job.id))

    assert len(sent) == 1


def test_where_redis_refuses_to_cancel_it_it_is_shown_as_it_stands(ask, late, monkeypatch):
    async def refused(*_):
        raise RedisUnavailable(reason="OOM command not allowed")

    job = late()
    monkeypatch.setattr(BatchWriter, "ask", refused)

    assert ask(lambda service: service.lookup.job(job.id)).status == "queued"


def test_more_than_one_call_may_search_for_is_left_to_the_next(ask, late, redis_client):
    first, second = late(), late()
    filler = [f"x{number}" for number in range(200_000)]
    redis_client.rpush(keys.queue("default"), *filler)

    ask(lambda service: service.lookup.cancel_late([first.id, second.id]))
    stood = [redis_client.hget(keys.job(each.id), "status") for each in (first, second)]
    ask(lambda service: service.lookup.cancel_late([first.id, second.id]))

    assert stood == [b"canceled", b"queued"]
    assert redis_client.hget(keys.job(second.id), "status") == b"canceled"


def test_a_broken_record_does_not_hold_up_the_others(ask, late, redis_client):
    redis_client.set(keys.job("broken"), "no hash")
    job = late()

    ask(lambda service: service.lookup.cancel_late(["broken", job.id]))

    assert redis_client.hget(keys.job(job.id), "status") == b"canceled"


@pytest.mark.parametrize("expires_at", [None, "soon"])
def test_a_watched_one_is_canceled_by_the_next_look_and_told_once(
    settings, late, redis_client, expires_at
):
    """A broken time of another watched job changes nothing."""
    job, other = late(), late()
    if expires_at:
        redis_client.hset(keys.job(other.id), "expires_at", expires_at)

    async def watch():
        reader = BatchWriter(Transaction(connect_async(settings)))
        events = Events(connect_async(settings, socket_timeout=BLOCK + 2), reader)
        async with events.of_job(job.id) as heard, events.of_job(other.id):
            events.know(job.id, "queued", events.position)
            begun = time.monotonic()
            told = await heard.take(20)
            seconds = time.monotonic() - begun
            told += await heard.take(0.6)
        await events.aclose()
        await reader.aclose()
        return told, seconds

    told, seconds = asyncio.run(watch())

    assert [event.status for event in told] == ["canceled"]
    assert told[0].position is not None
    assert seconds < 10  # a quarter of a second, on a machine that is not busy
