"""The tasks under measurement, as a user of the service would write them."""

import time

from app.tasks import task
from benchmarks.stamp import stamp


@task
def mail(to: str, subject: str, body: str) -> None:
    """Stand for a task with a small body; it is enqueued and never run."""


@task
def noop(number: int) -> int:
    """Do nothing, but for the stamp of every tenth."""
    stamp(number)
    return number


@task
def rest(seconds: float) -> float:
    """Take so long, and tell when it was done, on the clock that all processes share."""
    time.sleep(seconds)
    return time.monotonic()


@task
def clock() -> float:
    """Tell when it was started, on the clock that all processes share."""
    return time.monotonic()
