"""A job as it stands, at every station of its life."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from rq import Queue, Retry
from rq.job import Job as RQJob
from rq.job import JobStatus as RQStatus

from app.models import JobStatus
from app.options import JobOptions
from app.queue import lookup as lookup_module
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work


@pytest.fixture
def stock(redis_client):
    """A queue as a plain RQ client has it."""
    return Queue("default", connection=redis_client)


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


def test_many_are_looked_at_at_once(ask, enqueue):
    jobs = [enqueue(mine.send, to=str(n)) for n in range(50)]

    async def all_of_them(service):
        return await asyncio.gather(*(service.lookup.job(job.id) for job in jobs))

    assert [job.args["to"] for job in ask(all_of_them)] == [str(n) for n in range(50)]


def test_every_status_of_rqs_is_known_by_its_name():
    # One that is made and not enqueued yet is in Redis for nobody.
    assert {status.value for status in RQStatus} - {"created"} == set(get_args(JobStatus))
