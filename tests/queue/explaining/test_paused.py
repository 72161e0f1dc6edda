"""What a job of a paused queue is told."""

import pytest
from rq.suspension import suspend

from app.options import JobOptions
from app.queue import keys
from tests.queue import tasks_for_tests as mine

PAUSED = "the queue 'default' is paused, until somebody calls `POST /queues/default/resume`"


@pytest.fixture
def hire_ours(redis_client, hire):
    """Register a worker as ours does when it starts."""

    def hire_ours(name, *queues):
        redis_client.hset(hire(name, *queues).key, "tasks", "{}")

    return hire_ours


def test_a_paused_queue_is_the_reason_until_it_is_resumed(
    explain, enqueue, hire_ours, redis_client
):
    hire_ours("w", "default")
    enqueue(mine.send, to="ada")
    job = enqueue(mine.send, to="ada")
    redis_client.sadd(keys.PAUSED, "default", "low")

    found = explain(job.id)

    assert found.summary == f"It waits in the queue 'default' behind 1 job; {PAUSED}."
    assert (found.paused, found.workers, found.likely_wait) == (True, 1, None)
    redis_client.srem(keys.PAUSED, "default")
    found = explain(job.id)
    assert (found.paused, found.likely_wait is None) == (False, True)  # no run is known
    assert "paused" not in found.summary


@pytest.mark.parametrize(
    ("ours", "stock", "said"),
    [
        (0, 1, "; only 1 worker of RQ's own serves it, and does not heed that"),
        (0, 2, "; only 2 workers of RQ's own serve it, and do not heed that"),
        (1, 1, "; 1 worker of RQ's own serves it, and does not heed that"),
        (1, 0, ""),
    ],
)
def test_workers_of_rqs_own_that_go_on_with_a_paused_queue_are_told(
    explain, enqueue, hire, hire_ours, redis_client, ours, stock, said
):
    for number in range(ours):
        hire_ours(f"ours-{number}", "default")
    for number in range(stock):
        hire(f"stock-{number}", "default")
    job = enqueue(mine.send, to="ada")
    redis_client.sadd(keys.PAUSED, "default")

    assert explain(job.id).summary == f"It is the first in the queue 'default'; {PAUSED}{said}."


def test_what_else_holds_up_a_job_of_a_paused_queue_is_told_after_that(
    explain, enqueue, hire_ours, redis_client
):
    job = enqueue(mine.send, to="ada")
    redis_client.sadd(keys.PAUSED, "default")
    assert explain(job.id).summary == (
        f"It is the first in the queue 'default'; {PAUSED}; no live worker serves that queue: "
        "start one with `python worker.py default`."
    )
    hire_ours("w", "default")
    suspend(redis_client)

    assert explain(job.id).summary == (
        f"It is the first in the queue 'default'; {PAUSED}; all workers are suspended, until "
        "somebody calls `rq resume`."
    )


def test_jobs_of_a_paused_queue_that_is_served_first_are_not_ahead_but_for_rqs_own_workers(
    explain, enqueue, hire, hire_ours, redis_client, ran
):
    ran("high", mine.send.name, 2.0)
    ran("default", mine.send.name, 2.0)
    for _ in range(3):
        enqueue(mine.send, JobOptions(queue="high"), to="ada")
    job = enqueue(mine.send, to="ada")
    redis_client.sadd(keys.PAUSED, "high")
    hire("stock", "high", "default")
    assert explain(job.id).likely_wait.jobs_ahead == 3

    hire_ours("ours", "high", "default")

    found = explain(job.id)
    assert (found.paused, found.likely_wait.jobs_ahead, found.likely_wait.seconds) == (False, 0, 0)


def test_a_delayed_job_is_told_that_its_queue_is_paused(
    explain, enqueue, hire_ours, redis_client, schedulers
):
    hire_ours("w", "default")
    job = enqueue(mine.send, to="ada", options=JobOptions(delay=60))
    redis_client.sadd(keys.PAUSED, "default")

    assert explain(job.id).summary.endswith(f"; {PAUSED}.")


def test_a_job_that_has_begun_is_not_held_by_the_pause(explain, enqueue, begin, redis_client):
    job = enqueue(mine.send, to="ada")
    begin(job)
    redis_client.sadd(keys.PAUSED, "default")

    found = explain(job.id)

    assert found.paused
    assert found.summary.startswith("It runs on worker w")
