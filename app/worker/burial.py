"""What a dead horse left behind: its job is stopped, put back, run again or failed."""

import signal
from functools import partial

from redis.exceptions import ConnectionError as NotRecorded
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.utils import now
from rq.worker import BaseWorker

from app.queue.wire import WireSerializer
from app.worker.aside import Aside
from app.worker.job import TaskJob
from app.worker.recovery import Loss, Recovery
from app.worker.slot import Doing, Record
from app.worker.stable import End
from app.worker.unreadable import fail_unreadable

_TIMED_OUT = "JobTimeoutException: the job heeded no time-out; its process was killed"


class Burial:
    """Settles the last jobs of a horse that crashed, or that was killed for a reason."""

    def __init__(self, worker: BaseWorker, recovery: Recovery, aside: Aside) -> None:
        self._worker = worker
        self._recovery = recovery
        self._aside = aside
        self.stopped: str | None = None  # the job that a caller had stopped
        self.overdue = False  # it was killed, for its job heeded no time-out
        self.put_back = False  # it was killed, for the worker ends

    def bury(self, end: End) -> None:
        """Settle them; call it again where Redis was away.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        record = end.record
        is_at_one = record.doing is not Doing.WAITING
        # Claimed ahead, or in its last breath. It goes back first: what it was at comes before it.
        running = record.held.job_id if is_at_one else None
        self._recovery.put_back_claimed(self._worker.key, running=running)
        if is_at_one:
            self._settle(record, end)
        if end.before.doing is Doing.RECORDING:  # its end was on the way; mostly it has arrived
            self._recovery.put_back(end.before.held)
        self.stopped, self.overdue, self.put_back = None, False, False

    def _settle(self, record: Record, end: End) -> None:
        held = record.held
        if self.stopped == held.job_id:
            self._record_stop(record)
        elif self.put_back:
            self._recovery.put_back(held)
        elif self.overdue or end.signal == signal.SIGALRM:  # its task has put another's handler off
            self._recovery.lost(Loss(held, _TIMED_OUT))
        else:
            reason = f"WorkHorseTerminated: the process that ran the job ended with {end.cause}"
            self._recovery.lost(Loss(held, reason))

    def _record_stop(self, record: Record) -> None:
        worker, held = self._worker, record.held
        try:
            job = TaskJob.fetch(held.job_id, worker.connection)
        except NoSuchJobError:
            return
        except (ValueError, TypeError) as error:
            fail_unreadable(worker.connection, held, error)
            return
        if not self._recovery.holds(held):
            return  # it has ended before it was killed
        queue = Queue(held.queue, worker.connection, job_class=TaskJob, serializer=WireSerializer)
        worker._stopped_job_id = job.id  # noqa: SLF001 - how RQ's worker is told of a stop
        worker.execution = Execution(held.execution_id, job.id, worker.connection, worker.name)
        worker.execution.created_at = job.started_at or worker.execution.created_at
        job.ended_at = now()
        worker.handle_job_failure(
            job, queue, exc_string="JobStopped: a caller had the job stopped while it ran"
        )
        if self._recovery.holds(held):
            raise NotRecorded("RQ could not record the stop")  # and has told nobody but its log
        self._aside.call(partial(job.execute_stopped_callback, worker.death_penalty_class))
