"""What is said of a job that runs, and of one whose worker is lost."""

from datetime import UTC, datetime, timedelta

from app.options import JobOptions
from app.queue import keys
from tests.queue import tasks_for_tests as mine
from tests.queue.explaining.conftest import renew


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
