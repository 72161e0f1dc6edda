"""A worker that claims ahead from its first job on."""

import pytest

from app.worker import ahead, horse
from app.worker.ahead import Pace
from tests.worker import ahead_tasks as tasks
from tests.worker.processes import SAMPLES

MODULES = {"task_modules": (SAMPLES, tasks.__name__)}


@pytest.fixture
def brisk(monkeypatch):
    """Let a worker claim ahead from its first job on."""
    monkeypatch.setattr(Pace, "is_brisk", lambda _: True)


@pytest.fixture
def unhurried(monkeypatch):
    """Take no job for a long one, however busy the machine is."""
    monkeypatch.setattr(horse, "LATE", 60.0)
    monkeypatch.setattr(ahead, "HELD_UP", 60.0)


@pytest.fixture
def work_briskly(brisk, work_ours):
    def work(**options):
        return work_ours(settings=MODULES | options.pop("settings", {}), **options)

    return work


def statuses(line, job):
    """Give the events of a job, in their order."""
    return [
        event[b"status"].decode()
        for _, event in line.redis.xrange("task-api:events")
        if event[b"job"].decode() == job.id
    ]
