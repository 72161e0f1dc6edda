"""How long a queued job is likely to wait, from earlier runs and from what is ahead of it."""

from datetime import UTC, datetime, timedelta

import pytest
from rq.utils import utcformat

from app.queue import keys
from app.queue.explaining import likely_wait as likely_wait_module
from tests.queue import tasks_for_tests as mine


@pytest.fixture
def busy(redis_client, hire):
    """Register a worker that has been at a job of this task for so many seconds."""

    def busy(name, *queues, task, since):
        worker = hire(name, *queues, state="busy")
        facts = {
            "origin": queues[-1],
            "description": task,
            "started_at": utcformat(datetime.now(UTC) - timedelta(seconds=since)),
        }
        redis_client.hset(keys.job(f"job-of-{name}"), mapping=facts)
        redis_client.hset(worker.key, "current_job", f"job-of-{name}")

    return busy


def test_the_first_job_before_an_idle_worker_waits_for_nothing(explain, enqueue, hire):
    hire("w", "default")
    job = enqueue(mine.send, to="ada")

    found = explain(job.id)

    assert found.summary.endswith(
        "1 live worker serves it, and its turn is likely to come at once."
    )
    wait = found.likely_wait
    assert (wait.seconds, wait.jobs_ahead, wait.run_seconds, wait.workers) == (0, 0, None, 1)


def test_no_wait_is_made_up_where_no_run_is_known(explain, enqueue, hire):
    hire("w", "default", state="busy")
    job = enqueue(mine.send, to="ada")

    found = explain(job.id)

    assert found.likely_wait is None
    assert found.summary.endswith(
        "1 live worker serves it, and how long it will wait is not known."
    )


def test_the_likely_wait_is_when_a_worker_has_come_through_what_is_ahead(
    explain, enqueue, busy, ran
):
    ran("default", "send", 10, 30)
    ran("default", "wait", 5)
    busy("a", "default", task="send", since=5)  # 15 s are left
    busy("b", "default", task="wait", since=9)  # any moment now
    for _ in range(3):
        enqueue(mine.send, to="ada")
    job = enqueue(mine.wait, seconds=1, begun="x")

    found = explain(job.id)

    # b is free at 0, a at 15; the three before it run from 0 to 20, 15 to 35, 20 to 40.
    wait = found.likely_wait
    assert wait.seconds == pytest.approx(35, abs=1)
    assert (wait.jobs_ahead, wait.run_seconds, wait.workers) == (3, 5, 2)
    assert found.summary.startswith(
        "It waits in the queue 'default' behind 3 jobs; 2 live workers serve it, and its turn is "
        "likely to come in about 3"
    )


@pytest.mark.parametrize(("task", "since"), [("send", 1), ("wait", 60)])
def test_a_worker_that_is_busy_for_nobody_knows_how_long_makes_the_wait_unknown(
    explain, enqueue, busy, ran, task, since
):
    ran("default", "wait", 5)  # and no run of "send" is known
    busy("a", "default", task=task, since=since)

    assert explain(enqueue(mine.wait, seconds=1, begun="x").id).likely_wait is None


def test_a_task_without_runs_counts_as_its_queue_does(explain, enqueue, hire, ran):
    hire("a", "default")
    ran("default", "wait", 6, 8)
    enqueue(mine.send, to="ada")
    job = enqueue(mine.send, to="ada")

    wait = explain(job.id).likely_wait

    assert (wait.seconds, wait.run_seconds) == (7, 7)


def test_what_lies_far_ahead_counts_as_the_average(explain, enqueue, hire, ran, monkeypatch):
    monkeypatch.setattr(likely_wait_module, "MOST_AHEAD", 2)
    hire("a", "default")
    hire("b", "default")
    ran("default", "send", 2)
    ran("default", "wait", 4)
    for _ in range(6):
        enqueue(mine.send, to="ada")
    job = enqueue(mine.send, to="ada")

    # Two of 2 s side by side, then four of 3 s by two workers.
    assert explain(job.id).likely_wait.seconds == 2 + 6


def test_what_every_worker_looks_at_first_counts_as_ahead(explain, enqueue, hire, ran):
    hire("a", "high", "default")
    ran("high", "flaky", 5)
    job = enqueue(mine.send, to="ada")
    for _ in range(3):
        enqueue(mine.flaky, fails=0)

    wait = explain(job.id).likely_wait
    assert (wait.seconds, wait.jobs_ahead, wait.run_seconds) == (15, 3, None)

    hire("b", "default")
    wait = explain(job.id).likely_wait
    assert (wait.seconds, wait.jobs_ahead, wait.workers) == (0, 0, 2)


def test_a_long_job_of_another_queue_is_waited_for(explain, enqueue, busy, ran):
    busy("a", "default", "low", task="wait", since=10)
    ran("default", "send", 1)
    job = enqueue(mine.send, to="ada")
    assert explain(job.id).likely_wait is None

    ran("low", "wait", 600)
    assert explain(job.id).likely_wait.seconds == pytest.approx(590, abs=1)


def test_records_that_are_not_rqs_count_for_nothing(explain, enqueue, hire, ran, redis_client):
    hire("a", "default")
    ran("default", "send", 4)
    odd = {"origin": "default", "started_at": "noon", "ended_at": "later"}
    redis_client.hset(keys.job("odd"), mapping=odd)
    redis_client.set(keys.job("string"), "no hash")
    redis_client.zadd(keys.registry("finished", "default"), {"odd": 5e9, "string": 5e9, "no": 5e9})
    enqueue(mine.send, to="ada")
    redis_client.rpush(keys.queue("default"), "deleted-as-it-waited")
    job = enqueue(mine.send, to="ada")

    assert explain(job.id).likely_wait.seconds == 4
