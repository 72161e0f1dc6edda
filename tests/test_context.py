"""What a task may know of its job."""

import subprocess
import sys

import pytest

from app import context
from app.context import attempt, job_id, running_job


class FakeJob:
    id = "a-job"
    attempt = 3


@pytest.fixture
def restored():
    before = context._source
    yield
    context.connect(before)


def test_outside_of_a_job_there_is_none_and_the_attempt_is_the_first():
    assert (running_job(), job_id(), attempt()) == (None, None, 1)


def test_within_a_job_its_id_and_attempt_are_told(restored):
    job = FakeJob()
    context.connect(lambda: job)

    assert (running_job(), job_id(), attempt()) == (job, "a-job", 3)


def test_the_running_job_is_asked_for_each_time(restored):
    jobs = iter([FakeJob(), None])
    context.connect(lambda: next(jobs))

    assert (job_id(), job_id()) == ("a-job", None)


def test_the_module_by_itself_knows_of_no_job():
    # As where a user's tests import a task without the package behind it being set up.
    source = context._no_job
    assert source() is None


def test_importing_a_tasks_module_joins_it_to_the_queue():
    program = (
        "from app import calls, context, tasks\n"
        "from app.queue.running import running_job\n"
        "assert context._source is running_job\n"
        "assert calls._enqueuer is not calls._no_enqueuer\n"
        "assert tasks.declared_tasks() == []\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True)
