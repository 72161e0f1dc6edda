"""What is retried: what the task names, as often as the job says."""

import pytest

from app.options import JobOptions
from tests.worker import sample_tasks as sample


@pytest.mark.parametrize(("kind", "attempts"), [("passing", 4), ("no cure", 1), ("other", 1)])
def test_only_what_the_task_names_is_retried(work, line, look, kind, attempts):
    job = line.put(sample.retry_some, kind)

    work()

    found = look(job)
    assert (found.status, found.attempt, found.max_attempts) == ("failed", attempts, 4)
    assert len(found.attempts) == attempts
    assert found.error.message == kind


def test_a_time_out_is_retried_only_where_the_task_names_it(work, line, look):
    jobs = [line.put(sample.retry_some_later, 30, timeout=1)]

    work()

    found = look(jobs[0])
    assert (found.status, found.attempt, found.max_attempts) == ("failed", 1, 4)
    assert found.error.type == "JobTimeoutException"


def test_a_jobs_own_number_of_retries_goes_before_the_tasks(work, line, look):
    job = line.put(
        sample.retry_some, "passing", **JobOptions(retries=1).model_dump(exclude_unset=True)
    )

    work()

    assert (look(job).attempt, look(job).max_attempts) == (2, 2)
