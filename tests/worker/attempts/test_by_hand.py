"""The attempts of a job that is stopped, or run again by hand."""

import pytest
from rq import Retry

from app.queue.dashboard.buttons import Buttons
from tests.worker import sample_tasks as sample
from tests.worker.attempts.conftest import told
from tests.worker.processes import wait_until


def test_a_stopped_attempt_says_by_whom_also_after_a_retry_by_hand(
    start, line, look, ask, tmp_path
):
    job = line.put(sample.wait_for, str(tmp_path / "never"))
    start()
    wait_until((tmp_path / "never.begun").exists)

    ask(lambda _, control: control.stop(job.id, "request 8f0c"))

    said = "JobStopped: a caller had the job stopped while it ran (request 8f0c)"
    wait_until(lambda: look(job).status == "stopped")
    found = look(job)
    assert told(found) == [(1, said)]
    assert f"{found.error.type}: {found.error.message}" == said
    (tmp_path / "never").touch()
    ask(lambda _, control: control.retry(job.id))
    wait_until(lambda: look(job).status == "finished")
    assert told(look(job)) == [(1, said), (2, None)]


@pytest.mark.parametrize("by", ["the API", "the dashboard"])
def test_the_numbers_go_on_over_a_retry_by_hand(work, line, look, ask, by):
    job = line.call(sample.fail, kwargs={"message": "m"}, retry=Retry(1))
    work()
    begun = look(job).started_at
    if by == "the API":
        ask(lambda _, control: control.retry(job.id))
    else:
        Buttons(line.redis, None).requeue(job.id)
    assert told(look(job)) == [(1, "ValueError: m"), (2, "ValueError: m")]
    assert look(job).attempts[1].started_at == begun

    work()

    found = look(job)
    assert told(found) == [(number, "ValueError: m") for number in (1, 2, 3, 4)]
    assert (found.attempt, found.max_attempts) == (4, 4)


def test_a_retry_of_a_job_that_was_canceled_between_attempts_keeps_what_there_was(
    work, line, look, ask
):
    job = line.call(sample.fail, kwargs={"message": "m"}, retry=Retry(1, [600]))
    work()
    ask(lambda _, control: control.cancel(job.id))
    assert told(look(job)) == [(1, "ValueError: m")]

    ask(lambda _, control: control.retry(job.id))

    assert told(look(job)) == [(1, "ValueError: m")]
