"""What becomes of jobs whose worker is gone."""

import time

import pytest
from rq import Callback
from rq import Retry as RetryOption
from rq.job import Dependency

from app.queue.held import Held
from app.worker.aside import Aside
from app.worker.recovery import Loss, Recovery
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import QUEUES
from tests.worker.processes import wait_until


@pytest.fixture
def recovery(redis_client):
    return Recovery(redis_client, QUEUES, Aside())


@pytest.fixture
def abandon(line, redis_client):
    """Let a job be claimed, and its worker be gone for so many seconds."""

    def abandon(job, ago=1, execution="gone"):
        redis_client.lrem(f"rq:queue:{job.origin}", 1, job.id)
        redis_client.hset(
            f"rq:job:{job.id}",
            mapping={
                "status": "started",
                "started_at": "2026-01-01T00:00:00Z",
                "worker_name": "dead",
            },
        )
        expired = redis_client.time()[0] - ago
        redis_client.zadd(f"rq:wip:{job.origin}", {f"{job.id}:{execution}": expired})
        redis_client.zadd(f"rq:executions:{job.id}", {execution: expired + 60})
        redis_client.hset(f"rq:execution:{job.id}:{execution}", "id", execution)
        return Loss(Held(job.id, execution, job.origin), "its worker died")

    return abandon


def nothing_is_left(redis_client):
    return redis_client.keys("rq:wip*") + redis_client.keys("rq:execution*") == []


def test_a_job_with_attempts_left_is_run_again(recovery, abandon, line, redis_client, work_ours):
    job = line.call(sample.succeed_at, kwargs={"number": 2}, retry=RetryOption(1, 0))
    abandon(job)

    assert recovery.take_over() == 1

    assert line.waiting() == [job.id]
    assert line.again(job).get_status() == "queued"
    assert nothing_is_left(redis_client)
    work_ours()
    assert line.result(job) == 2


def test_its_next_attempt_comes_when_its_retry_says(recovery, abandon, line, redis_client):
    job = line.call(sample.add, kwargs={"left": 1}, retry=RetryOption(1, 600))
    abandon(job)

    recovery.take_over()

    assert line.again(job).get_status() == "scheduled"
    assert redis_client.zscore("rq:scheduled:default", job.id) > time.time() + 500
    assert nothing_is_left(redis_client)


def test_a_job_without_attempts_left_fails_with_the_reason(recovery, abandon, line, redis_client):
    job = line.put(sample.add, 1)
    abandon(job)

    recovery.take_over()

    assert line.error(job) == "WorkerLost: its worker died"
    assert line.again(job).latest_result().worker_name == "dead"
    assert nothing_is_left(redis_client)


def test_what_has_not_expired_is_left_alone(recovery, abandon, line):
    job = line.put(sample.add, 1)
    abandon(job, ago=-100)

    assert recovery.take_over() == 0

    assert line.again(job).get_status() == "started"


def test_an_expired_execution_is_given_to_one_recovery_alone(recovery, abandon, line, redis_client):
    abandon(line.put(sample.add, 1))
    taken = recovery._expired(keys=["rq:wip:default"], args=[30, 100])

    assert len(taken) == 2
    assert recovery.take_over() == 0


def test_whoever_took_it_and_died_leaves_it_to_the_next(recovery, abandon, line, redis_client):
    job = line.put(sample.add, 1)
    abandon(job)
    recovery._expired(keys=["rq:wip:default"], args=[-1, 100])  # its time is over already

    assert recovery.take_over() == 1

    assert "WorkerLost" in line.error(job)


def test_a_job_that_has_ended_after_all_is_left_as_it_is(recovery, abandon, line, redis_client):
    job = line.put(sample.add, 1)
    loss = abandon(job)
    redis_client.hset(f"rq:job:{job.id}", "status", "finished")

    recovery.lost(loss)

    assert line.again(job).get_status() == "finished"
    assert line.kinds(job) == []
    assert nothing_is_left(redis_client)


def test_a_job_that_somebody_else_has_now_is_left_to_them(recovery, abandon, line, redis_client):
    job = line.put(sample.add, 1)
    loss = abandon(job)
    redis_client.zrem("rq:wip:default", f"{job.id}:gone")
    redis_client.zadd("rq:wip:default", {f"{job.id}:theirs": time.time() + 100})

    recovery.lost(loss)
    recovery.put_back(loss.held)

    assert line.again(job).get_status() == "started"
    assert line.waiting() == []
    assert redis_client.zrange("rq:wip:default", 0, -1) == [f"{job.id}:theirs".encode()]


def test_a_job_that_ends_while_it_is_judged_stays_ended(
    recovery, abandon, line, redis_client, monkeypatch
):
    job = line.call(sample.add, kwargs={"left": 1}, retry=RetryOption(1, 0))
    loss = abandon(job)
    holds = Recovery.holds

    def end_then_hold(self, *arguments):
        held = holds(self, *arguments)
        if redis_client.hget(f"rq:job:{job.id}", "status") == b"started":
            redis_client.zrem("rq:wip:default", f"{job.id}:gone")
            redis_client.hset(f"rq:job:{job.id}", "status", "finished")
        return held

    monkeypatch.setattr(Recovery, "holds", end_then_hold)

    recovery.lost(loss)

    assert line.again(job).get_status() == "finished"
    assert line.waiting() == []


def test_a_deleted_job_is_forgotten(recovery, abandon, line, redis_client):
    job = line.put(sample.add, 1)
    abandon(job)
    redis_client.delete(f"rq:job:{job.id}")

    recovery.take_over()

    assert redis_client.keys(f"*{job.id}*") == []


def test_a_job_that_has_killed_three_workers_fails_though_attempts_are_left(
    recovery, abandon, line, redis_client
):
    job = line.call(sample.add, kwargs={"left": 1}, retry=RetryOption(9, 0))
    for _ in range(3):
        abandon(job)
        recovery.take_over()

    assert line.error(job) == ("WorkerLost: its worker died, as 2 workers did before that ran it")


def test_a_job_whose_record_is_broken_fails_and_the_others_are_still_seen_to(
    recovery, abandon, line, redis_client
):
    broken, job = line.put(sample.add, 1), line.put(sample.add, 1)
    abandon(broken, ago=5)
    redis_client.hset(f"rq:job:{broken.id}", "retries_left", "many")
    redis_client.set("rq:job:odd", "text")
    redis_client.zadd("rq:wip:default", {"odd:gone": 1})
    abandon(job)

    assert recovery.take_over() == 3

    assert redis_client.hget(f"rq:job:{broken.id}", "status") == b"failed"
    assert redis_client.zscore("rq:failed:default", broken.id)
    assert "WorkerLost" in line.error(job)
    assert nothing_is_left(redis_client)


def test_the_callback_and_the_dependents_of_a_failed_one_are_told(
    recovery, abandon, line, redis_client
):
    job = line.call(sample.add, kwargs={"left": 1}, on_failure=Callback(sample.say_failure))
    child = line.call(
        sample.add, kwargs={"left": 1}, depends_on=Dependency([job], allow_failure=True)
    )
    abandon(job)

    recovery.take_over()

    assert line.waiting() == [child.id]
    assert wait_until(line.said) == [f"failure {job.id} AbandonedJobError"]


def test_a_job_that_is_put_back_is_next_and_its_attempt_does_not_count(
    recovery, abandon, line, redis_client
):
    job = line.call(sample.add, kwargs={"left": 1}, retry=RetryOption(2, 0))
    other = line.put(sample.add, 1)
    loss = abandon(job)

    recovery.put_back(loss.held)

    assert line.waiting() == [job.id, other.id]
    found = line.again(job)
    assert (found.get_status(), found.retries_left, found.started_at) == ("queued", 2, None)
    assert nothing_is_left(redis_client)


def test_the_jobs_of_a_dead_rq_worker_are_seen_to_as_well(recovery, line, redis_client, work_ours):
    job = line.call(sample.add, kwargs={"left": 1}, retry=RetryOption(1, 0))
    redis_client.lrem("rq:queue:default", 1, job.id)
    redis_client.hset(f"rq:job:{job.id}", "status", "started")
    redis_client.zadd("rq:wip:default", {f"{job.id}:{'a' * 32}": 1})

    recovery.take_over()
    work_ours()

    assert line.result(job) == 2
