"""What a task may know of the job that it runs in: `from app.context import job_id, attempt`."""

from collections.abc import Callable
from typing import Protocol


class RunningJob(Protocol):
    """The job that this process is executing, as the queue behind it tells."""

    @property
    def id(self) -> str:
        """The job's id."""

    @property
    def attempt(self) -> int:
        """Which execution this is, counted from 1."""

    def claim(self) -> bool:
        """Say yes once: to the first task called in the job, which is the job's own."""

    def is_for_queue(self, value: object) -> bool:
        """Say whether a returned value is meant for the queue itself, as RQ's `Retry` is."""

    def give_up(self) -> None:
        """Let the job fail now, whatever attempts it has left."""


def _no_job() -> RunningJob | None:
    return None


_source: Callable[[], RunningJob | None] = _no_job


def connect(source: Callable[[], RunningJob | None]) -> None:
    """Set where the running job is asked from; `app` does this once, at import."""
    global _source  # noqa: PLW0603 - the one seam between tasks and the queue that runs them
    _source = source


def running_job() -> RunningJob | None:
    """Give the job that this code runs in, None outside of one."""
    return _source()


def job_id() -> str | None:
    """Give the id of the job that this code runs in, None outside of one."""
    job = _source()
    return job.id if job else None


def attempt() -> int:
    """Say which attempt of the job this is, counted from 1; 1 outside of a job too."""
    job = _source()
    return job.attempt if job else 1
