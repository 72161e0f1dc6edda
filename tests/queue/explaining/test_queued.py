"""Why a job stands in its queue."""

from datetime import UTC, datetime, timedelta

import pytest
from rq.suspension import resume, suspend

from app.options import JobOptions
from app.queue import keys
from app.queue import lookup as lookup_module
from app.queue.explaining import explain as explain_module
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work


def test_a_job_that_no_worker_serves_is_told_so_with_the_remedy(explain, enqueue, hire):
    hire("elsewhere", "low")
    enqueue(mine.send, to="ada")
    job = enqueue(mine.send, to="ada")

    found = explain(job.id)

    assert found.summary == (
        "It waits in the queue 'default' behind 1 job; no live worker serves that queue: start one "
        "with `python worker.py default`."
    )
    assert (found.workers, found.position, found.likely_wait) == (0, 1, None)
    assert (found.attempt, found.next_attempt, found.max_attempts) == (0, 1, 1)


def test_suspended_workers_are_the_reason_until_they_are_resumed(
    explain, enqueue, hire, redis_client
):
    hire("w", "default")
    job = enqueue(mine.send, to="ada")
    suspend(redis_client)

    found = explain(job.id)

    assert found.summary == (
        "It is the first in the queue 'default'; all workers are suspended, until somebody calls "
        "`rq resume`."
    )
    assert (found.suspended, found.workers, found.likely_wait) == (True, 1, None)
    resume(redis_client)
    assert not explain(job.id).suspended


def test_a_place_beyond_what_is_looked_through_is_said_so(explain, enqueue, hire, monkeypatch):
    monkeypatch.setattr(lookup_module, "DEEPEST_POSITION", 2)
    monkeypatch.setattr(explain_module, "DEEPEST_POSITION", 2)
    hire("w", "default")
    jobs = [enqueue(mine.send, to="ada") for _ in range(3)]

    found = explain(jobs[-1].id)

    assert (found.position, found.likely_wait) == (None, None)
    assert found.summary.startswith("It waits in the queue 'default', far behind; 1 live worker")


def test_a_job_that_was_lost_between_queue_and_start_is_said_so(explain, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.lpop(keys.queue("default"))  # as BLPOP of a worker that is killed then

    found = explain(job.id)

    assert found.position is None
    assert found.summary.startswith("It should stand in the queue 'default' and does not: ")
    remedy = f"`redis-cli RPUSH rq:queue:default {job.id}` puts it back."
    assert found.summary.endswith(f"; then {remedy}")


def test_an_explanation_asks_no_more_of_redis_for_a_longer_queue(
    explain, enqueue, hire, ran, redis_client
):
    hire("w", "default")
    ran("default", "send", *[1] * 80)
    for _ in range(150):
        redis_client.rpush(keys.queue("default"), "other")

    def commands_of(job):
        before = redis_client.info("stats")["total_commands_processed"]
        explain(job.id)
        return redis_client.info("stats")["total_commands_processed"] - before

    short = commands_of(enqueue(mine.send, to="ada"))
    for _ in range(300):
        redis_client.rpush(keys.queue("default"), "other")
    assert commands_of(enqueue(mine.send, to="ada")) == short


@pytest.mark.usefixtures("signals")
def test_a_retry_without_a_delay_waits_for_its_attempt_in_the_queue(explain, enqueue, redis_client):
    job = enqueue(mine.flaky, fails=9)
    work(redis_client, "high", max_jobs=1)

    found = explain(job.id)

    assert (found.status, found.attempt, found.next_attempt) == ("queued", 1, 2)
    assert found.summary.startswith(
        "It is the first in the queue 'high' for attempt 2 of 3 (the last one ended with "
        "ConnectionError: attempt 1); "
    )


def test_a_job_that_has_to_start_in_time_says_until_when(explain, enqueue, hire, ran):
    job = enqueue(mine.send, JobOptions(expires=90), to="ada")

    found = explain(job.id)

    until = f"{found.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    assert timedelta(seconds=80) < found.expires_at - datetime.now(UTC) <= timedelta(seconds=90)
    assert found.summary.endswith(f"; it is canceled unless it has started by {until}.")


def test_a_job_of_a_key_says_for_how_many_calls_it_stands(explain, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(keys.job(job.id), mapping={"key": "ada", "duplicates": 2})

    found = explain(job.id)

    assert (found.key, found.duplicates) == ("ada", 2)
    assert found.summary.endswith("; it stands for 2 more calls with its key.")
