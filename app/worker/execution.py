"""How one job is executed: straight where it is plain, RQ's own way where it is not."""

import logging
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from redis.exceptions import RedisError
from rq.job import Retry, _job_stack
from rq.timeouts import JobTimeoutException

from app import tasks
from app.catalogue import Catalogue
from app.worker import coroutines
from app.worker.assignment import Assignment, read_assignment
from app.worker.coroutines import Coroutines
from app.worker.job import TaskJob
from app.worker.recorder import Recorder
from app.worker.rq_worker import RQWorker, TakenOver
from app.worker.slot import Slot
from app.worker.turn import Claim, Ending, Finish

logger = logging.getLogger("task_api.worker")

TIMEOUT_SLACK = 5.0  # seconds that a job has to end once its time-out was raised in it

_OUR_FILES = frozenset({__file__, tasks.__file__, coroutines.__file__})


class Executor:
    """Executes claimed jobs in this process."""

    def __init__(
        self, worker: RQWorker, catalogue: Catalogue, slot: Slot, patient: Callable[[], bool]
    ) -> None:
        self._worker = worker
        self._catalogue = catalogue
        self._slot = slot
        self._recorder = Recorder(worker, slot, patient)
        self._coroutines = Coroutines()
        self._armed = False
        self._timeout = 0  # seconds, of the job that runs

    def begin(self, claim: Claim) -> Assignment:
        """Note that a claimed job runs from now on, and read what it calls."""
        # First of all: should reading it kill us, that counts as the job's own doing.
        return self.read(claim, self.note(claim))

    def note(self, claim: Claim) -> float:
        """Note that a claimed job runs from now on; gives the time, on the monotonic clock."""
        begun = time.monotonic()
        self._slot.running(claim.held, begun)
        return begun

    def note_again(self) -> float:
        """Note that the time of that job begins only now: Redis had to be waited for."""
        begun = time.monotonic()
        self._slot.begun(begun)
        return begun

    def read(self, claim: Claim, begun: float) -> Assignment:
        """Read what a claimed job calls."""
        ttl = self._worker.default_result_ttl
        return read_assignment(claim, begun, self._catalogue, ttl)

    def execute(self, assignment: Assignment) -> Finish | None:
        """Run a claimed job; gives what is left to record of it, None where all is recorded."""
        claim, task = assignment.claim, assignment.task
        self._slot.count()
        job = TaskJob.lazily(claim.job_id, claim.fields, self._worker.connection)
        job.task, job.coroutines = task, self._coroutines
        if assignment.timeout > 0:
            self._slot.running_until(assignment.begun + assignment.timeout + TIMEOUT_SLACK)
        action = self._run if assignment.is_plain else self._leave
        finish = self._settle(claim, lambda: action(job, assignment))
        if finish is None:
            self._slot.waiting()
        else:
            self._slot.recording()
        logger.info(
            "job.%s id=%s task=%s seconds=%.3f",
            "done" if finish else "ended",
            claim.job_id,
            task.name if task else None,
            time.monotonic() - assignment.begun,
        )
        return finish

    def end_otherwise(self, finish: Finish, ending: Ending) -> None:
        """End a job that the turn after it could not end."""
        claim = finish.claim
        if ending is Ending.TAKEN_OVER:
            _discard(claim)
        else:
            self._settle(claim, lambda: self._recorder.success(claim, finish.job, finish.value))

    def install_alarm(self) -> None:
        """Let the alarm interrupt the job that runs."""
        signal.signal(signal.SIGALRM, self._on_alarm)

    def close(self) -> None:
        """Close what the tasks shared."""
        self._coroutines.close()

    def _settle(self, claim: Claim, action: Callable[[], Finish | None]) -> Finish | None:
        """Do what ends a job, and let nothing that it meets harm the jobs to come."""
        try:
            return action()
        except TakenOver:
            _discard(claim)
        except RedisError as error:
            _not_recorded(claim, error)
        except BaseException as error:  # noqa: BLE001 - whatever its record holds harms it alone
            try:
                self._recorder.unreadable(claim, error)
            except RedisError as away:
                _not_recorded(claim, away)
        return None

    def _run(self, job: TaskJob, assignment: Assignment) -> Finish | None:
        claim, call = assignment.claim, assignment.call
        assert job.task is not None
        assert call is not None
        begun = time.perf_counter()
        _job_stack.push(job)
        try:
            try:
                self._arm(assignment.timeout)
                value = job.task(**call.kwargs)
                if job.task.is_async:
                    value = self._coroutines.run(value)
            finally:
                self._disarm()
        except BaseException:  # noqa: BLE001 - whatever a task raises fails its job alone
            self._recorder.failure(claim, job, *_without_our_frames(sys.exc_info()))
            return None
        finally:
            _job_stack.pop()
        seconds = time.perf_counter() - begun
        if isinstance(value, Retry):
            self._recorder.retry(claim, job, value)
            return None
        self._recorder.end_if_forked()
        has_log = job.has_log or b"log" in claim.fields
        return Finish(claim, job, value, assignment.result_ttl, seconds, has_log)

    def _leave(self, job: TaskJob, assignment: Assignment) -> None:
        """Leave it to RQ."""
        if job.task is None:
            job.give_up("the worker has no such task")  # no attempt can mend it
        try:
            self._recorder.perform(assignment.claim, job)
        finally:
            self.install_alarm()  # RQ's time-out puts back the default

    def _arm(self, timeout: int) -> None:
        self._armed, self._timeout = True, timeout
        if timeout > 0:
            signal.setitimer(signal.ITIMER_REAL, timeout)

    def _disarm(self) -> None:
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if self._armed:
            raise JobTimeoutException(
                f"Task exceeded maximum timeout value ({self._timeout} seconds)"
            )


def _discard(claim: Claim) -> None:
    logger.warning("job.result_discarded id=%s reason=taken_over", claim.job_id)


def _not_recorded(claim: Claim, error: RedisError) -> None:
    # Its execution expires, and it is taken over.
    logger.warning("job.not_recorded id=%s error=%s", claim.job_id, error)


def _without_our_frames(error: Any) -> Any:
    """Begin a traceback at the task's own code; where there is none of it, leave it whole."""
    kind, value, traceback_ = error
    inner = traceback_
    while inner is not None and inner.tb_frame.f_code.co_filename in _OUR_FILES:
        inner = inner.tb_next
    return kind, value.with_traceback(inner or traceback_), inner or traceback_
