"""Why a job has not run, and why it ended so: each sentence as a real Redis and workers make it."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rq import Retry
from rq.job import Dependency
from rq.job import Job as RQJob
from rq.suspension import resume, suspend
from rq.utils import utcformat

from app.errors import RedisUnavailable, UnknownJob
from app.options import JobOptions
from app.queue import keys
from app.queue import lookup as lookup_module
from app.queue.explaining import explain as explain_module
from app.queue.explaining import likely_wait as likely_wait_module
from app.queue.explaining.explain import Explainer
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import wait_until, work

ROOT = Path(__file__).parents[3]
TASKS = "tests.queue.tasks_for_tests"


@pytest.fixture
def schedulers(redis_client):
    """Let a scheduler hold the queues, as RQ's lock says it."""
    for queue in ("high", "default", "low"):
        redis_client.set(keys.scheduler_lock(queue), "a-scheduler", ex=60)


@pytest.fixture
def ran(redis_client):
    """Leave the records of a task's jobs that took so many seconds each."""

    def ran(queue, task, *runs):
        begun = datetime(2026, 1, 1, tzinfo=UTC)
        for number, seconds in enumerate(runs):
            job_id = f"{queue}-{task}-{number}"
            facts = {
                "origin": queue,
                "description": task,
                "started_at": utcformat(begun),
                "ended_at": utcformat(begun + timedelta(seconds=seconds)),
            }
            redis_client.hset(keys.job(job_id), mapping=facts)
            redis_client.zadd(keys.registry("finished", queue), {job_id: 4e9})

    return ran


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


@pytest.fixture
def begin(redis_client, hire):
    """Start a job as a worker does whose name is given, without running it."""

    def begin(job, name="w", lease=60):
        worker = hire(name, job.queue, state="busy")
        redis_client.lrem(keys.queue(job.queue), 1, job.id)
        started = RQJob.fetch(job.id, connection=redis_client)
        worker.prepare_execution(started)
        with redis_client.pipeline() as pipeline:
            started.prepare_for_execution(name, pipeline)
            pipeline.execute()
        renew(redis_client, job, lease)
        return worker

    return begin


def renew(redis_client, job, seconds):
    """Let a job's execution expire so many seconds from now."""
    (entry,) = redis_client.zrange(keys.registry("started", job.queue), 0, -1)
    redis_client.zadd(keys.registry("started", job.queue), {entry: time.time() + seconds})


# Queued.


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


# Scheduled, and tried again.


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


# Deferred.


def test_a_deferred_job_names_the_one_that_it_waits_for(explain, enqueue, stock):
    parent = enqueue(mine.send, to="ada")
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=parent.id)

    found = explain(job.id)

    assert found.status == "deferred"
    assert [(each.id, each.status) for each in found.waits_for] == [(parent.id, "queued")]
    assert found.summary == f"It waits for job {parent.id}, which is queued."


@pytest.mark.parametrize(
    ("chosen", "said"),
    [("cancel", "and is canceled should that one not finish"), ("run", "and runs however that")],
)
def test_a_job_that_runs_after_another_says_what_follows_from_its_end(
    explain, enqueue, chosen, said
):
    parent = enqueue(mine.send, to="ada")
    job = enqueue(mine.send, JobOptions(after=(parent.id,), after_failure=chosen), to="b")

    found = explain(job.id)

    assert (found.status, found.after_failure) == ("deferred", chosen)
    assert found.summary.startswith(f"It waits for job {parent.id}, which is queued, {said}")


@pytest.mark.usefixtures("signals")
def test_a_job_that_was_canceled_for_anothers_sake_names_that_one(explain, enqueue, redis_client):
    parent = enqueue(mine.hopeless)
    job = enqueue(mine.send, JobOptions(after=(parent.id,)), to="b")
    work(redis_client)

    found = explain(job.id)

    assert found.status == "canceled"
    assert found.canceled_because.startswith(f"job {parent.id}, which it ")
    assert found.canceled_because.endswith(" failed (after_failure=cancel)")
    assert found.summary.endswith(f"; {found.canceled_because}.")


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


@pytest.mark.usefixtures("signals")
def test_of_several_parents_the_one_that_ended_badly_is_named(
    explain, enqueue, stock, redis_client
):
    done, bad = enqueue(mine.send, to="ada"), enqueue(mine.hopeless)
    parents = [done.id, bad.id]
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=parents)
    work(redis_client)
    waiting = enqueue(mine.send, JobOptions(delay=90), to="ada")
    other = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=[waiting.id, bad.id])

    assert [each.id for each in explain(job.id).waits_for] == [bad.id]
    assert explain(job.id).summary == (
        f"It waits for job {bad.id}, which is failed, so it runs only if that one is retried and "
        "finishes."
    )
    assert explain(other.id).summary == (
        f"It waits for job {bad.id}, which is failed, so it runs only if that one is retried and "
        "finishes; it waits for 1 more job."
    )


def test_a_parent_that_is_gone_leaves_nobody_to_queue_its_child(
    explain, enqueue, stock, redis_client
):
    parent = enqueue(mine.send, to="ada")
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=parent.id)
    redis_client.delete(keys.job(parent.id))

    found = explain(job.id)

    assert [(each.id, each.status) for each in found.waits_for] == [(parent.id, None)]
    assert found.summary == (
        f"It waits for job {parent.id}, which was deleted or has expired, so nothing will queue "
        "this one."
    )


@pytest.mark.usefixtures("signals")
def test_a_failed_parent_does_not_hold_a_job_that_allows_it(explain, enqueue, stock, redis_client):
    bad, waiting = enqueue(mine.hopeless), enqueue(mine.send, JobOptions(delay=90), to="ada")
    either_way = Dependency([bad.id, waiting.id], allow_failure=True)
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=either_way)
    work(redis_client)

    assert [each.id for each in explain(job.id).waits_for] == [waiting.id]


def test_parents_that_nobody_can_read_are_none(explain, enqueue, stock, redis_client):
    parent = enqueue(mine.send, to="ada")
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=parent.id)
    redis_client.hset(keys.job(job.id), "dependency_ids", "{")

    found = explain(job.id)

    assert found.waits_for == []
    assert found.summary.startswith("The jobs that it waited for have ended well")


# Started, and lost.


def test_a_running_job_names_its_worker_and_its_time_out(explain, enqueue, begin):
    job = enqueue(mine.send, JobOptions(timeout=300), to="ada")
    begin(job)

    found = explain(job.id)

    running = found.running
    assert (running.worker, running.timeout, running.lost) == ("w", 300, False)
    assert running.ends_by - running.since == timedelta(seconds=300)
    assert running.taken_over_by is None
    assert abs(running.seen_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert (found.attempt, found.next_attempt) == (1, None)
    assert found.summary == (
        f"It runs on worker w (attempt 1 of 1) since {running.since:%Y-%m-%dT%H:%M:%SZ}, for less "
        "than a second, and may take 5 min."
    )


def test_a_job_without_a_time_out_is_said_so(explain, stock, begin, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(keys.job(job.id), "timeout", -1)
    begin(job)

    found = explain(job.id)

    assert (found.running.timeout, found.running.ends_by) == (None, None)
    assert found.summary.endswith(", without a time-out.")


def test_a_lost_job_says_when_it_is_taken_over(explain, enqueue, begin, hire, redis_client):
    job = enqueue(mine.flaky, fails=0)
    begin(job)
    hire("other", "high")
    renew(redis_client, job, -0.5)

    found = explain(job.id, takeover_after=15)

    running = found.running
    assert running.lost
    assert timedelta(seconds=1) < running.taken_over_by - datetime.now(UTC) < timedelta(seconds=3)
    assert found.summary.startswith(
        "It ran on worker w (attempt 1 of 3), which is gone, last seen "
    )
    assert found.summary.endswith(
        "; another worker takes it over within 2 s, and it runs attempt 2 then."
    )


def test_a_worker_whose_record_is_gone_is_lost_before_its_job_expires(
    explain, enqueue, begin, hire, redis_client
):
    job = enqueue(mine.send, to="ada")
    begin(job, lease=6)
    redis_client.delete(keys.worker("w"))
    hire("other", "default")

    found = explain(job.id)

    assert found.running.lost
    assert found.summary.endswith(
        "; another worker takes it over within 9 s, and it is failed then, for it has no attempt "
        "left."
    )


def test_a_worker_that_is_gone_is_not_the_one_that_takes_over(
    explain, enqueue, begin, redis_client
):
    job = enqueue(mine.send, to="ada")
    begin(job)  # the only worker; its record is there for some seconds after its death
    renew(redis_client, job, -0.5)

    found = explain(job.id)

    assert (found.running.lost, found.running.taken_over_by, found.workers) == (True, None, 0)
    assert "; no live worker serves the queue 'default' to take it over: start " in found.summary


def test_a_lost_job_that_nobody_takes_over_says_what_is_missing(
    explain, enqueue, begin, hire, redis_client
):
    job = enqueue(mine.send, to="ada")
    begin(job)
    renew(redis_client, job, -100)
    redis_client.delete(keys.worker("w"))

    alone = explain(job.id)
    assert alone.running.taken_over_by is None
    assert "; no live worker serves the queue 'default' to take it over: start " in alone.summary

    hire("stock", "default")
    late = explain(job.id)
    assert late.running.taken_over_by is None
    assert "; it should have been taken over by now: RQ's own workers do that " in late.summary


# Ended.


@pytest.mark.usefixtures("signals")
class TestEnded:
    def test_a_finished_job_says_how_long_it_took_and_how_long_it_is_kept(
        self, explain, enqueue, redis_client
    ):
        job = enqueue(mine.send, JobOptions(result_ttl=500), to="ada")
        work(redis_client)

        found = explain(job.id)

        assert found.summary == (
            f"It finished at {found.ended_at:%Y-%m-%dT%H:%M:%SZ} after less than a second, in "
            "attempt 1 of 1."
        )
        kept = found.kept_until - datetime.now(UTC)
        assert timedelta(seconds=490) < kept <= timedelta(seconds=500)
        assert (found.next_attempt, found.running, found.error) == (None, None, None)

    def test_a_failed_job_says_why_and_what_was_used(self, explain, enqueue, redis_client):
        job = enqueue(mine.flaky, fails=9)
        work(redis_client, "high")

        found = explain(job.id)

        assert found.summary == (
            f"It failed at {found.ended_at:%Y-%m-%dT%H:%M:%SZ} in attempt 3 of 3: ConnectionError: "
            "attempt 3."
        )
        assert (found.error.type, found.error.message) == ("ConnectionError", "attempt 3")
        assert found.error.traceback is None

    def test_a_job_that_gave_up_says_what_was_left(self, explain, enqueue, redis_client):
        job = enqueue(mine.hopeless)
        work(redis_client)

        assert explain(job.id).summary.endswith(
            " in attempt 1 of 6: Hopeless: not today; 5 more attempts would have been left, but "
            "the task's `give_up_on` names Hopeless."
        )
        assert explain(job.id).gave_up == "the task's `give_up_on` names Hopeless"

    def test_a_job_that_gave_up_and_is_run_again_says_so_no_more(
        self, explain, ask, enqueue, redis_client
    ):
        job = enqueue(mine.hopeless)
        work(redis_client)
        ask(lambda service: service.control.retry(job.id))

        assert redis_client.hget(f"rq:job:{job.id}", "gave_up") is None
        assert explain(job.id).gave_up is None

    def test_a_stopped_job_says_so(self, explain, ask, enqueue, redis_url, tmp_path):
        job = enqueue(mine.wait, seconds=30, begun=tmp_path / "begun")
        program = Path(sys.executable).parent / "rq"
        worker = subprocess.Popen(
            [program, "worker", "--quiet", "--burst", "--url", redis_url, "default"], cwd=ROOT
        )
        wait_until((tmp_path / "begun").exists, seconds=20)
        ask(lambda service: service.control.stop(job.id))
        assert worker.wait(20) == 0

        found = explain(job.id)

        assert found.status == "stopped"
        assert found.error.message == "Job stopped by user, work-horse terminated."
        assert found.summary == (
            f"It was stopped at {found.ended_at:%Y-%m-%dT%H:%M:%SZ} while it ran, in attempt 1 of "
            "1: JobStopped: Job stopped by user, work-horse terminated."
        )

    def test_a_stopped_job_says_by_whom(self, explain, ask, enqueue, redis_url, tmp_path):
        job = enqueue(mine.wait, seconds=30, begun=tmp_path / "begun")
        program = Path(sys.executable).parent / "rq"
        worker = subprocess.Popen(
            [program, "worker", "--quiet", "--burst", "--url", redis_url, "default"], cwd=ROOT
        )
        wait_until((tmp_path / "begun").exists, seconds=20)
        ask(lambda service: service.control.stop(job.id, "request 8f0c"))
        assert worker.wait(20) == 0

        assert explain(job.id).summary.endswith(
            " while it ran, in attempt 1 of 1: JobStopped: Job stopped by user, work-horse "
            "terminated (request 8f0c)."
        )

    def test_a_canceled_job_says_when_and_why(self, explain, ask, enqueue):
        job = enqueue(mine.send, to="ada")
        ask(lambda service: service.control.cancel(job.id, "a caller canceled it (request 8f0c)"))

        found = explain(job.id)

        assert found.summary == (
            f"It was canceled at {found.ended_at:%Y-%m-%dT%H:%M:%SZ}, before it had begun; a "
            "caller canceled it (request 8f0c)."
        )
        assert found.canceled_because == "a caller canceled it (request 8f0c)"
        assert found.error is None

    def test_a_job_that_rqs_own_code_canceled_says_that_nobody_knows_by_whom(
        self, explain, enqueue, redis_client
    ):
        job = enqueue(mine.send, to="ada")
        RQJob.fetch(job.id, connection=redis_client).cancel()

        assert explain(job.id).summary.endswith(", before it had begun; by whom is not recorded.")

    def test_a_job_canceled_between_attempts_says_after_which(
        self, explain, ask, stock, redis_client
    ):
        job = stock.enqueue_call(
            f"{TASKS}.hopeless", kwargs={"after": 9}, retry=Retry(1, interval=600)
        )
        work(redis_client)
        ask(lambda service: service.control.cancel(job.id))

        assert ", after attempt 1 of 2; a caller canceled it." in explain(job.id).summary


# Whatever else stands there.


def test_a_status_of_a_newer_rq_is_passed_on(explain, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(keys.job(job.id), "status", "paused")

    assert explain(job.id).summary == "Its status is 'paused', which this service does not know."


def test_a_job_that_was_never_enqueued_is_said_so(explain, redis_client):
    job = RQJob.create(f"{TASKS}.send", connection=redis_client, origin="default")
    job.save()

    assert explain(job.id).summary == "It was made by a plain RQ client and never enqueued."


def test_a_job_that_goes_on_meanwhile_is_looked_at_again(ask, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")

    async def question(service):
        class Late:
            _settings = service.lookup._settings

            async def job(self, job_id):
                found = await service.lookup.job(job_id)
                if found.status == "queued":
                    redis_client.hset(keys.job(job_id), "status", "canceled")
                return found

        explainer = Explainer(service.client, Late(), service.fleet, service.lookup._settings)
        return await explainer.explain(job.id)

    assert ask(question).status == "canceled"


def test_an_unknown_job_is_refused(explain):
    with pytest.raises(UnknownJob):
        explain("nothing")


def test_fields_that_nobody_can_read_are_not_known(explain, enqueue, begin, redis_client):
    job = enqueue(mine.send, to="ada")
    begin(job)
    redis_client.hset(keys.job(job.id), mapping={"timeout": "long", "last_heartbeat": "noon"})

    running = explain(job.id).running

    assert (running.timeout, running.ends_by, running.seen_at) == (None, None, None)


def test_an_execution_without_a_record_is_lost(explain, enqueue, begin, redis_client):
    job = enqueue(mine.send, to="ada")
    begin(job)
    redis_client.delete(keys.executions(job.id))

    running = explain(job.id).running

    assert (running.lost, running.taken_over_by) == (True, None)


def test_a_key_of_another_type_is_redis_trouble(explain, enqueue, redis_client):
    job = enqueue(mine.send, JobOptions(delay=60), to="ada")
    redis_client.set(keys.queue("default"), "no list")

    with pytest.raises(RedisUnavailable):
        explain(job.id)


def test_redis_away_is_said_so(explain, proxy, enqueue, settings):
    job = enqueue(mine.send, to="ada")
    proxy.close()
    away = type(settings)(redis_url=proxy.url).redis_url

    with pytest.raises(RedisUnavailable):
        explain(job.id, redis_url=away)
