"""What a task may know of its job."""

import math
import pickle
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import pytest

from app import context
from app.context import LONGEST_MESSAGE, RetryLater, attempt, job_id, progress, running_job
from app.errors import InvalidProgress
from app.options import TEN_YEARS


class FakeJob:
    id = "a-job"
    attempt = 3

    def __init__(self):
        self.reports = []

    def report(self, percent, message):
        self.reports.append((percent, message))


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


def test_within_a_job_progress_is_passed_on_as_a_number_and_a_message_of_a_measure(restored):
    job = FakeJob()
    context.connect(lambda: job)

    progress(0)
    progress(40, "resized")
    progress(Fraction(1, 2), "")
    progress(Decimal("99.5"))
    progress(100.0, "x" * 501)

    assert job.reports == [
        (0.0, None),
        (40.0, "resized"),
        (0.5, ""),
        (99.5, None),
        (100.0, "x" * LONGEST_MESSAGE),
    ]


def test_outside_of_a_job_progress_does_nothing():
    progress(40, "resized")


@pytest.mark.parametrize(
    ("percent", "message"),
    [
        *[(percent, None) for percent in (-0.1, 100.1, float("nan"), float("inf"), 10**400)],
        *[(percent, None) for percent in (True, "40", b"4", None, object(), 1j)],
        *[(40, message) for message in (b"bytes", 1, ["text"])],
    ],
)
def test_progress_that_is_none_is_refused_at_once_with_the_remedy(percent, message):
    with pytest.raises(ValueError, match="give a number from 0 to 100, and a text") as caught:
        progress(percent, message)

    assert isinstance(caught.value, InvalidProgress)


def test_the_module_by_itself_knows_of_no_job():
    # As where a user's tests import a task without the package behind it being set up.
    source = context._no_job
    assert source() is None


def test_importing_a_tasks_module_joins_it_to_the_queue():
    program = (
        "from app import calls, context, tasks\n"
        "from app.queue.running.job import running_job\n"
        "assert context._source is running_job\n"
        "assert calls._enqueuer is not calls._no_enqueuer\n"
        "assert tasks.declared_tasks() == []\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


def test_asking_to_be_run_again_says_when_and_why():
    assert str(RetryLater(0.5)) == "it asked to be run again in 0.5 s"
    assert str(RetryLater(60, "the bank is closed")) == (
        "the bank is closed; it asked to be run again in 60 s"
    )


def test_asking_to_be_run_again_survives_a_pickle():
    read = pickle.loads(pickle.dumps(RetryLater(60, "closed")))

    assert (type(read), read.seconds, read.reason) == (RetryLater, 60.0, "closed")
    assert str(read) == str(RetryLater(60, "closed"))


@pytest.mark.parametrize("seconds", [-1, -0.001, math.nan, math.inf, TEN_YEARS + 1])
def test_a_time_that_nobody_can_keep_is_refused_at_once(seconds):
    with pytest.raises(ValueError, match="give seconds from 0 to "):
        RetryLater(seconds)


def test_ten_years_and_no_time_at_all_are_taken():
    assert (RetryLater(0).seconds, RetryLater(TEN_YEARS).seconds) == (0, TEN_YEARS)
