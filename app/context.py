"""What a task may know of the job that it runs in: `from app.context import job_id, attempt`."""

from collections.abc import Callable
from typing import Protocol, SupportsFloat

from app.errors import InvalidProgress
from app.options import TEN_YEARS

LONGEST_MESSAGE = 500  # characters of what progress says


class RetryLater(Exception):
    """A task raises it to be run again after so many seconds, at the cost of one attempt.

    Where no attempt is left, the job fails with the reason.
    """

    def __init__(self, seconds: float, reason: str = "") -> None:
        """Say when, and, for those who look at the job, why.

        Args:
            seconds: from now until the next attempt; 0 for at once, ten years at the most.
            reason: what the task waits for.

        Raises:
            ValueError: that is no such number.
        """
        if not 0 <= seconds <= TEN_YEARS:  # NaN is neither
            raise ValueError(f"RetryLater({seconds!r}): give seconds from 0 to {TEN_YEARS:,}")
        super().__init__(seconds, reason)
        self.seconds = float(seconds)
        self.reason = reason

    def __str__(self) -> str:
        asked = f"it asked to be run again in {self.seconds:g} s"
        return f"{self.reason}; {asked}" if self.reason else asked


class RunningJob(Protocol):
    """The job that this process is executing, as the queue behind it tells."""

    @property
    def id(self) -> str:
        """The job's id."""

    @property
    def attempt(self) -> int:
        """Which execution this is, counted from 1."""

    def claim(self, judge: Callable[[BaseException], str | None]) -> bool:
        """Say yes once: to the first task called in the job, which is the job's own.

        Args:
            judge: says whether what the task has raised is final, so that the job fails whatever
                attempts it has left.
        """

    def is_for_queue(self, value: object) -> bool:
        """Say whether a returned value is meant for the queue itself, as RQ's `Retry` is."""

    def begin(self, *, log: bool) -> None:
        """Note that the job's function runs from now on.

        Args:
            log: whether to keep what it logs and prints.
        """

    def end(self) -> None:
        """Note that the job's function has ended, and see that what it has said is kept."""

    def report(self, percent: float, message: str | None) -> None:
        """Keep how far the job is."""


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


def progress(percent: SupportsFloat, message: str | None = None) -> None:
    """Say how far the job is, as often as you like; it is shown four times a second at the most.

    The last word is always shown. Outside of a job, and in a process that the task has forked,
    nothing happens.

    Args:
        percent: from 0 to 100.
        message: what it is at; its first 500 characters are kept.

    Raises:
        InvalidProgress: a `ValueError`: that is no such number, or no text.
    """
    number = _percent(percent)
    if not (message is None or isinstance(message, str)):
        raise InvalidProgress(percent=percent)
    job = _source()
    if job is not None:
        job.report(number, message and message[:LONGEST_MESSAGE])


_NO_NUMBERS = (str, bytes, bytearray, bool)


def _percent(percent: SupportsFloat) -> float:
    # `float` takes a text for a number too.
    if type(percent) is int or type(percent) is float or not isinstance(percent, _NO_NUMBERS):
        try:
            number = float(percent)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidProgress(percent=percent) from error
        if 0 <= number <= 100:  # NaN is neither
            return number
    raise InvalidProgress(percent=percent)
