"""The job that this process is executing, told to tasks through `app.context`."""

import logging
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar

from rq.job import Job as RQJob
from rq.job import Retry, get_current_job
from rq.timeouts import JobTimeoutException

from app.errors import JobExpired
from app.queue.attempts import number_of
from app.queue.running.capture import Capture
from app.queue.running.flusher import Flusher
from app.queue.running.journal import Journal
from app.queue.witnessed import witness

logger = logging.getLogger("task_api.journal")


class RunningRQJob:
    """RQ's current job, as `app.context.RunningJob` wants it."""

    def __init__(self, job: RQJob) -> None:
        self._job = job
        self._claimed = False
        self._pid = 0
        self._is_logged = False
        self._journal: Journal | None = None
        self.has_ended = False

    @property
    def id(self) -> str:
        """The job's id."""
        return self._job.id

    @property
    def attempt(self) -> int:
        """Which execution this is, counted from 1."""
        return number_of(self._job)

    def claim(self, judge: Callable[[BaseException], str | None]) -> bool:
        """Say yes once: to the first task that is called in the job, which is the job's own."""
        if self._claimed:
            return False
        self._claimed = True
        # RQ's worker will ask this very job whether another attempt follows.
        job = witness(self._job)
        job.judge = judge
        if job.has_expired:
            raise JobExpired(job_id=job.id)
        return True

    def begin(self, *, log: bool) -> None:
        """Let its threads and coroutines find it, and keep what it logs and prints where asked."""
        global _latest  # noqa: PLW0603 - a thread that a task starts knows nothing else
        self._pid, self._is_logged = os.getpid(), log
        if log and (sys.stdout is not _capture.stdout or sys.stderr is not _capture.stderr):
            _capture.listen()
        _own.set(self)
        _latest = self

    def end(self) -> None:
        """Send what is not sent yet; whatever is said from now on is not the job's."""
        global _latest  # noqa: PLW0603
        self.has_ended = True
        _own.set(None)
        if _latest is self:
            _latest = None
        if self._journal is not None:
            self._journal.close()

    def report(self, percent: float, message: str | None) -> None:
        """Keep how far it is; sent soon, the last one in any case."""
        own = _own.get()
        if own is not None and own.has_ended:
            return  # a coroutine whose job is over; another one's runs by now
        if (journal := self._journal_here()) is not None:
            journal.report(percent, message)

    def ear(self) -> Journal | None:
        """Give what hears its prints and logs; None where they are not kept."""
        return self._journal_here() if self._is_logged else None

    def _journal_here(self) -> Journal | None:
        """Give the journal; None in a process that the task has forked, where nobody sends it."""
        if self.has_ended or self._pid != os.getpid():
            return None
        return self._journal or self._new_journal()

    def is_for_queue(self, value: object) -> bool:
        """Say whether a returned value is RQ's `Retry`, which is no result."""
        return isinstance(value, Retry)

    def _new_journal(self) -> Journal | None:
        try:
            made = Journal(self._job, _flusher)
        except JobTimeoutException:  # a signal's, raised wherever we are
            raise
        except Exception:
            # Its record is broken; that is not the fault of who prints.
            self._is_logged = False
            logger.exception("job.not_logged")
            return None
        # Without a lock, for a signal's handler may be in here twice.
        journal: Journal = self.__dict__.setdefault("_made", made)
        if journal is made:
            self._journal = made
            _flusher.add(made)
        return journal


_own: ContextVar[RunningRQJob | None] = ContextVar("job", default=None)
_latest: RunningRQJob | None = None


def running_job() -> RunningRQJob | None:
    """Give the job that this code runs in, None outside of one."""
    job = get_current_job()
    if job is None:  # no job, or a thread of one
        found = _own.get() or _latest
        return None if found is None or found.has_ended else found
    running: RunningRQJob | None = job.__dict__.get("_running")
    if running is None:
        running = job.__dict__["_running"] = RunningRQJob(job)
    return running


def _ear() -> Journal | None:
    job = _own.get() or _latest
    return None if job is None or _flusher.is_own_thread else job.ear()


_flusher = Flusher()
_capture = Capture(_ear)
