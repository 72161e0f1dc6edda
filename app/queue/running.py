"""The job that this process is executing, told to tasks through `app.context`."""

from rq.job import Job as RQJob
from rq.job import Retry, get_current_job

from app.queue.witnessed import witness


class RunningRQJob:
    """RQ's current job, as `app.context.RunningJob` wants it."""

    def __init__(self, job: RQJob) -> None:
        self._job = job
        self._claimed = False

    @property
    def id(self) -> str:
        """The job's id."""
        return self._job.id

    @property
    def attempt(self) -> int:
        """Which execution this is, counted from 1."""
        # A manual retry begins RQ's count anew; our own worker knows what came before it.
        before: int = getattr(self._job, "attempts_before", 0)
        return before + self._retries_used + 1

    def claim(self) -> bool:
        """Say yes once, to the task that is the job's own."""
        if self._claimed:
            return False
        self._claimed = True
        witness(self._job)  # a stock worker's is not; ours are
        return True

    def is_for_queue(self, value: object) -> bool:
        """Say whether a returned value is RQ's `Retry`, which is no result."""
        return isinstance(value, Retry)

    def give_up(self) -> None:
        """Let the job fail now: RQ's worker asks this very object whether attempts are left."""
        self._job.number_of_retries = self._retries_used  # for the count of attempts
        self._job.retries_left = 0

    @property
    def _retries_used(self) -> int:
        # RQ repeats a list of intervals that is shorter than the retries.
        left = self._job.retries_left or 0
        return max(len(self._job.retry_intervals or ()), left) - left


def running_job() -> RunningRQJob | None:
    """Give the job that this code runs in, None outside of one."""
    job = get_current_job()
    if job is None:
        return None
    running: RunningRQJob = job.__dict__.setdefault("_running", RunningRQJob(job))
    return running
