"""Time-outs, by RQ's worker and by ours; and those that only a supervisor can enforce."""

import time

import pytest

from app.worker import execution
from tests.worker import sample_tasks as sample


@pytest.fixture
def short_slack(monkeypatch):
    """Let the supervisor lose its patience at once."""
    monkeypatch.setattr(execution, "TIMEOUT_SLACK", 0.3)


def test_a_job_that_takes_too_long_is_interrupted_and_fails(work, line):
    job, after = line.put(sample.sleep, 100, timeout=1), line.put(sample.add, 1)
    begun = time.monotonic()

    work()

    assert time.monotonic() - begun < 50
    assert "JobTimeoutException: Task exceeded maximum timeout value (1 seconds)" in line.error(job)
    assert line.result(after) == 2


def test_an_async_job_that_takes_too_long_is_interrupted_and_cleans_up(work_ours, line, tmp_path):
    mark = tmp_path / "mark"
    job = line.put(sample.sleep_later, 20, str(mark), timeout=1)
    after = line.put(sample.add_later, 1)

    work_ours()

    assert "JobTimeoutException" in line.error(job)
    assert mark.read_text() == "cleaned up"
    assert line.result(after) == 2


def test_a_job_that_catches_its_timeout_and_ends_soon_is_finished(work, line):
    job = line.put(sample.sleep_on, 1.2, timeout=1)

    work()

    assert line.result(job) == "slept on"


def test_a_job_without_timeout_is_not_interrupted(work, line):
    job = line.call(sample.sleep, kwargs={"seconds": 0.1}, timeout=-1)

    work()

    assert line.result(job) == "slept"


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        (sample.sleep_on, (100,)),
        (sample.hold_interpreter, (10**15,)),
        (sample.block_signals, (100,)),
    ],
)
def test_a_job_that_heeds_no_timeout_is_killed_and_fails(
    work_ours, line, short_slack, task, arguments
):
    job, after = line.put(task, *arguments, timeout=1), line.put(sample.add, 1)
    begun = time.monotonic()

    work_ours()

    assert time.monotonic() - begun < 50
    assert "JobTimeoutException: the job heeded no time-out; its process was killed" in line.error(
        job
    )
    assert line.result(after) == 2


def test_a_job_after_one_that_has_spoilt_the_alarm_still_has_its_timeout(work_ours, line):
    line.put(sample.spoil_alarm)
    job, after = line.put(sample.sleep, 100, timeout=1), line.put(sample.add, 1)

    work_ours()

    assert "JobTimeoutException" in line.error(job)
    assert line.result(after) == 2


def test_a_timeout_counts_as_a_failed_attempt(work, line):
    job = line.put(sample.sleep, 100, timeout=1, retries=1)
    line.redis.hset(f"rq:job:{job.id}", "retry_intervals", "[600]")

    work()

    assert line.again(job).get_status() == "scheduled"
    assert line.again(job).retries_left == 0
