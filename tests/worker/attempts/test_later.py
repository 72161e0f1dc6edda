"""A task that asks to be run again later."""

import time
from datetime import UTC, datetime, timedelta

from tests.worker import sample_tasks as sample
from tests.worker.attempts.conftest import told


def test_a_task_says_when_it_is_run_again(work, line, look):
    job = line.put(sample.later, 600, 1, "the bank is closed", retries=1)
    before = time.time()

    work()

    found = look(job)
    assert (found.status, found.attempt) == ("scheduled", 1)
    assert 600 <= found.run_at.timestamp() - before < 615
    assert told(found) == [(1, "RetryLater: the bank is closed; it asked to be run again in 600 s")]
    line.make_due(job)
    work()
    assert line.result(job) == 2


def test_a_task_may_be_run_again_at_once(work, line, look):
    job = line.put(sample.later, 0, 2, retries=2)

    work()

    assert line.result(job) == 3
    assert look(job).attempt == 3


def test_a_part_of_a_second_is_never_cut_off(work, line, look):
    job = line.put(sample.later, 600.25, retries=1)

    work()

    found = look(job)
    assert found.status == "scheduled"
    assert found.run_at >= found.attempts[0].ended_at + timedelta(seconds=600.25)
    line.make_due(job)
    work()
    first, second = look(job).attempts
    assert second.number == 2
    assert first.error.message == "it asked to be run again in 600.25 s"


def test_ten_years_are_kept(work, line, look):
    job = line.put(sample.later, 10 * 365 * 86_400, retries=1)

    work()

    assert look(job).run_at - datetime.now(UTC) > timedelta(days=3649)


def test_without_attempts_left_the_job_fails_with_that_reason(work, line, look):
    job = line.put(sample.later, 600, 1, "the bank is closed")

    work()

    found = look(job)
    assert (found.status, found.attempt, found.max_attempts) == ("failed", 1, 1)
    assert found.error.type == "RetryLater"
    assert found.error.message == "the bank is closed; it asked to be run again in 600 s"


def test_a_time_that_nobody_can_keep_fails_the_attempt_and_says_so(work, line):
    job = line.put(sample.later, -1)

    work()

    assert "ValueError: RetryLater(-1.0): give seconds from 0 to " in line.error(job)


def test_a_coroutine_may_ask_too_whatever_it_gives_up_on(work, line):
    job = line.put(sample.later_on_a_loop, 0, retries=1)

    work()

    assert line.result(job) == 2
