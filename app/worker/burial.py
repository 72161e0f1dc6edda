"""What a dead horse left behind: its job is stopped, put back, run again or failed."""

import signal
from functools import partial

from redis.exceptions import ConnectionError as NotRecorded
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.utils import as_text, now
from rq.worker import BaseWorker

from app.queue import keys
from app.queue.wire import WireSerializer
from app.worker.aside import Aside
from app.worker.job import TaskJob
from app.worker.recovery import Loss, Recovery
from app.worker.slot import Doing, Record
from app.worker.stable import End
from app.worker.unreadable import fail_unreadable

_TIMED_OUT = "JobTimeoutException: the job heeded no time-out; its process was killed"


class Burial:
    """Settles the last job of a horse that crashed, or that was killed for a reason."""

    def __init__(self, worker: BaseWorker, recovery: Recovery, aside: Aside) -> None:
        self._worker = worker
        self._recovery = recovery
        self._aside = aside
        self.stopped: str | None = None  # the job that a caller had stopped
        self.overdue = False  # it was killed, for its job heeded no time-out
        self.put_back = False  # it was killed, for the worker ends

    def bury(self, end: End) -> None:
        """Settle the job; call it again where Redis was away.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        record = end.record
        if record.doing is not Doing.WAITING:
            self._settle(record, end)
        self.put_back_claimed()
        self.stopped, self.overdue, self.put_back = None, False, False

    def put_back_claimed(self) -> None:
        """Give back a job that was claimed in the horse's last breath; its function never ran.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        job_id, execution_id = self._worker.connection.hmget(
            self._worker.key, "current_job", "execution"
        )
        if job_id and execution_id:
            queue = self._worker.connection.hget(keys.job(as_text(job_id)), "origin")
            self._recovery.put_back(as_text(job_id), as_text(execution_id), as_text(queue or b""))

    def _settle(self, record: Record, end: End) -> None:
        names = record.job_id, record.execution_id, record.queue
        if self.stopped == record.job_id:
            self._record_stop(record)
        elif self.put_back:
            self._recovery.put_back(*names)
        elif self.overdue or end.signal == signal.SIGALRM:  # its task has put another's handler off
            self._recovery.lost(Loss(*names, _TIMED_OUT))
        else:
            reason = f"WorkHorseTerminated: the process that ran the job ended with {end.cause}"
            self._recovery.lost(Loss(*names, reason))

    def _record_stop(self, record: Record) -> None:
        worker = self._worker
        names = record.job_id, record.execution_id, record.queue
        try:
            job = TaskJob.fetch(record.job_id, worker.connection)
        except NoSuchJobError:
            return
        except (ValueError, TypeError) as error:
            fail_unreadable(worker.connection, *names, error)
            return
        if not self._recovery.holds(*names):
            return  # it has ended before it was killed
        queue = Queue(record.queue, worker.connection, job_class=TaskJob, serializer=WireSerializer)
        worker._stopped_job_id = job.id  # noqa: SLF001 - how RQ's worker is told of a stop
        worker.execution = Execution(record.execution_id, job.id, worker.connection, worker.name)
        worker.execution.created_at = job.started_at or worker.execution.created_at
        job.ended_at = now()
        worker.handle_job_failure(
            job, queue, exc_string="JobStopped: a caller had the job stopped while it ran"
        )
        if self._recovery.holds(*names):
            raise NotRecorded("RQ could not record the stop")  # and has told nobody but its log
        self._aside.call(partial(job.execute_stopped_callback, worker.death_penalty_class))
