"""Why a job is scheduled: delayed, or tried again."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from rq import Retry

from app.options import JobOptions
from app.queue import keys
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work
from tests.queue.explaining.conftest import TASKS


@pytest.mark.usefixtures("schedulers")
def test_a_delayed_job_says_when_it_is_queued(explain, enqueue, hire):
    hire("w", "default")
    job = enqueue(mine.send, JobOptions(delay=90), to="ada")

    found = explain(job.id)

    assert found.scheduler
    assert abs(found.run_at - job.run_at) < timedelta(seconds=1)
    assert found.summary == (
        f"It is to be queued at {found.run_at:%Y-%m-%dT%H:%M:%SZ}, in 1 min {left(found)} s."
    )


def left(found):
    """Give the seconds of the minute that are left, as the sentence says it."""
    return int(found.summary.removesuffix(" s.").rpartition(" ")[2])


def test_a_delayed_job_without_a_scheduler_says_that_nobody_will_queue_it(explain, enqueue, hire):
    hire("w", "default")
    job = enqueue(mine.send, JobOptions(delay=90), to="ada")

    found = explain(job.id)

    assert not found.scheduler
    assert found.summary.endswith(
        "; no scheduler is alive for the queue 'default', so nobody will do that: start a worker "
        "with `python worker.py default`."
    )


@pytest.mark.usefixtures("schedulers")
def test_a_delayed_job_that_no_worker_will_run_is_told_so(explain, enqueue):
    job = enqueue(mine.send, JobOptions(delay=90), to="ada")

    assert "; no live worker serves that queue: " in explain(job.id).summary


@pytest.mark.usefixtures("schedulers")
def test_a_job_that_is_overdue_says_since_when(explain, enqueue, hire, redis_client):
    hire("w", "default")
    job = enqueue(mine.send, JobOptions(delay=90), to="ada")
    redis_client.zadd(keys.registry("scheduled", "default"), {job.id: time.time() - 120})

    assert explain(job.id).summary.endswith(", 2 min ago.")


@pytest.mark.usefixtures("schedulers")
def test_a_scheduled_job_in_no_schedule_is_said_so(explain, enqueue, redis_client):
    job = enqueue(mine.send, JobOptions(delay=90), to="ada")
    redis_client.zrem(keys.registry("scheduled", "default"), job.id)

    assert "a scheduler takes it at this moment, or was killed" in explain(job.id).summary


@pytest.mark.usefixtures("signals", "schedulers")
def test_a_retry_says_which_attempt_comes_when(explain, stock, redis_client):
    job = stock.enqueue_call(
        f"{TASKS}.hopeless", kwargs={"after": 9}, retry=Retry(3, interval=[600, 600, 600])
    )
    work(redis_client)
    found = explain(job.id)
    assert (found.status, found.attempt, found.next_attempt) == ("scheduled", 1, 2)
    assert found.summary.startswith(
        "Attempt 1 of 4 did not succeed (ConnectionError: attempt 1), and the next one is to be "
    )
    assert (found.error.message, found.error.traceback) == ("attempt 1", None)
    assert found.run_at - datetime.now(UTC) > timedelta(seconds=590)
