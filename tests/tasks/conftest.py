"""A job that runs, and an enqueuer that notes what it is given."""

import pytest

from app import calls, context


class FakeJob:
    """A running job, as `app.context.RunningJob` has it."""

    id = "a-job"
    attempt = 2

    def __init__(self):
        self.judge = None
        self.steps = []

    def begin(self, *, log):
        self.steps.append(f"begin log={log}")

    def end(self):
        self.steps.append("end")

    def claim(self, judge):
        first = self.judge is None
        self.judge = self.judge or judge
        return first

    def is_for_queue(self, value):
        return value == "again, please"


@pytest.fixture
def job():
    job, before = FakeJob(), context._source
    context.connect(lambda: job)
    yield job
    context.connect(before)


class FakeEnqueuer:
    def __init__(self):
        self.given = []

    def enqueue(self, task, args, options):
        self.given.append((task, args, options))
        return "the job"

    async def aenqueue(self, task, args, options):
        return self.enqueue(task, args, options)


@pytest.fixture
def enqueuer():
    enqueuer, before = FakeEnqueuer(), calls._enqueuer
    calls.connect(lambda: enqueuer)
    yield enqueuer
    calls.connect(before)
