"""Jobs that have to start in time, by RQ's worker and by ours."""

import time

from app.queue import keys
from tests.worker import sample_tasks as sample
from tests.worker.processes import wait_until
from tests.worker.test_after import event_statuses, reason, status

LATE = "it did not start within the time that `expires` gave it"


def be_late(line, *jobs):
    """Let the time of these jobs be over, without a wait."""
    for job in jobs:
        line.redis.hset(f"rq:job:{job.id}", "expires_at", time.time() - 1)
        line.redis.zadd("task-api:expiring", {job.id: time.time() - 1}, xx=True)


def test_a_job_that_is_taken_too_late_is_canceled_and_not_run(work, line, tmp_path):
    log = tmp_path / "log"
    late = line.put(sample.note, str(log), "late", expires=60)
    after = line.put(sample.note, str(log), "after", after=late.id, after_failure="run")
    be_late(line, late)

    work()

    assert log.read_text() == "after\n"
    assert (status(line, late), reason(line, late)) == ("canceled", LATE)
    assert event_statuses(line, late) == ["queued", "canceled"]
    assert line.redis.zrange("rq:canceled:default", 0, -1) == [late.id.encode()]
    assert line.redis.zcard("rq:failed:default") == 0
    assert line.redis.ttl(f"rq:job:{late.id}") > 600_000
    assert line.redis.xlen(f"rq:results:{late.id}") == 0
    assert status(line, after) == "finished"


def test_a_late_job_with_attempts_left_is_not_tried_again(work, line, tmp_path):
    late = line.put(sample.note, str(tmp_path / "log"), "late", expires=60, retries=3)
    be_late(line, late)

    work()

    assert status(line, late) == "canceled"
    assert line.waiting() == []
    assert line.redis.zcard("rq:scheduled:default") == 0


def test_a_job_that_starts_in_time_runs(work, line):
    job = line.put(sample.add, 1, 2, expires=60)

    work()

    assert line.result(job) == 3


def test_a_later_attempt_is_not_held_to_the_time_of_the_first(work, line):
    job = line.put(sample.succeed_at, 2, expires=60, retries=1)
    line.redis.hset(f"rq:job:{job.id}", "retry_intervals", "[600]")

    work()
    assert status(line, job) == "scheduled"
    be_late(line, job)
    line.make_due(line.again(job))
    work()

    assert line.result(job) == 2


def test_whatever_waits_in_any_line_is_swept_once_its_time_is_over(work_ours, line, tmp_path):
    log = str(tmp_path / "log")
    first = line.put(sample.wait_for, log, queue="low")
    late = [
        line.put(sample.note, log, "queued", queue="low", expires=60),
        line.put(sample.note, log, "scheduled", queue="low", delay=50, expires=60),
        line.put(sample.note, log, "deferred", queue="low", after=first.id, expires=60),
    ]
    in_time = line.put(sample.note, log, "in time", queue="low", expires=60)
    be_late(line, *late)

    work_ours(["high"])

    assert [status(line, job) for job in late] == ["canceled"] * 3
    assert {reason(line, job) for job in late} == {LATE}
    assert [event_statuses(line, job)[-1] for job in late] == ["canceled"] * 3
    assert line.waiting("low") == [first.id, in_time.id]
    assert line.redis.zrange(keys.EXPIRING, 0, -1) == [in_time.id.encode()]
    for waiting in ("scheduled", "deferred"):
        assert line.redis.zcard(f"rq:{waiting}:low") == 0
    assert line.redis.scard(f"rq:job:{first.id}:dependents") == 0


def test_more_late_jobs_than_one_look_takes_are_all_swept(work_ours, line):
    jobs = [line.put(sample.add, n, queue="low", expires=60) for n in range(1100)]
    be_late(line, *jobs)

    work_ours(["high"], burst=False, max_idle_time=2)

    assert line.redis.zcard("rq:canceled:low") == 1100
    assert line.waiting("low") == []


def test_a_running_worker_cancels_a_job_in_the_second_after_its_time(start, line):
    start("high")
    job = line.put(sample.add, 1, 2, queue="low", expires=1)

    wait_until(lambda: status(line, job) == "canceled")

    late = time.time() - float(line.redis.hget(f"rq:job:{job.id}", "expires_at"))
    assert 0 <= late < 2.5
