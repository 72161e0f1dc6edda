"""What became of a job, recorded by RQ's own code: all that `next.lua` does not do."""

import logging
import os
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError
from rq import Queue
from rq.executions import Execution
from rq.job import JobStatus, Retry
from rq.utils import now

from app.context import RetryLater
from app.errors import TaskApiError
from app.worker.job import TaskJob
from app.worker.rq_worker import AGAIN, RQWorker, TakenOver
from app.worker.slot import Slot
from app.worker.turn import Claim
from app.worker.unreadable import fail_unreadable

logger = logging.getLogger("task_api.worker")

CALLBACK_SLACK = 60.0  # seconds that RQ's own code has, webhooks included, beside the callback


class Recorder:
    """Ends claims one after another, each as RQ's worker would."""

    def __init__(self, worker: RQWorker, slot: Slot, patient: Callable[[], bool]) -> None:
        self._worker = worker
        self._slot = slot
        self._patient = patient  # whether to wait for Redis, should it be away
        self._pid = os.getpid()
        self._claim: Claim | None = None  # the one that RQ's worker is at
        self._queues = {queue.name: queue for queue in worker.queues}
        worker.make_sure = self._make_sure

    def perform(self, claim: Claim, job: TaskJob) -> None:
        """Leave all of it to RQ: the call, the callbacks, the record."""
        self._worker.perform_job(job, self._adopt(claim))

    def success(self, claim: Claim, job: TaskJob, value: Any) -> None:
        """Record a result, and queue the jobs that have waited for it."""
        queue = self._adopt(claim)
        self._make_sure()
        job._result = value  # noqa: SLF001 - as RQ's perform_job does
        job._status = JobStatus.FINISHED  # noqa: SLF001
        job.ended_at = now()
        self._worker.handle_job_success(job, queue, queue.started_job_registry)

    def retry(self, claim: Claim, job: TaskJob, retry: Retry) -> None:
        """Run a job again that has asked for it by its result."""
        queue = self._adopt(claim)
        self._make_sure()
        job.ended_at = now()
        execution = self._worker.execution
        assert execution is not None
        registry = queue.started_job_registry
        self._worker.handle_job_retry(job, queue, retry, registry, execution)

    def failure(self, claim: Claim, job: TaskJob, *error: Any) -> None:
        """Run a job again that has raised an exception, or fail it."""
        queue = self._adopt(claim)
        self._make_sure()
        job.raised(error[1])
        job._status = JobStatus.FAILED  # noqa: SLF001 - as RQ's perform_job does
        job.ended_at = now()
        if isinstance(error[1], RetryLater):  # it has asked for that, and nothing is wrong
            logger.info("job.retry_later id=%s reason=%s", job.id, error[1])
        elif not (isinstance(error[1], TaskApiError) and error[1].is_logged):
            self._worker.handle_exception(job, *error)
        self._worker.handle_job_failure(
            job, queue, queue.started_job_registry, "".join(traceback.format_exception(*error))
        )

    def unreadable(self, claim: Claim, error: BaseException) -> None:
        """Fail a job whose record is broken."""
        fail_unreadable(self._worker.connection, claim.held, error)

    def end_if_forked(self) -> None:
        """End the process that a task has forked, and that came back from it: no second horse."""
        if os.getpid() != self._pid:
            logger.error("horse.forked pid=%s; a task ends what it forks by os._exit", os.getpid())
            os._exit(1)

    def _adopt(self, claim: Claim) -> Queue:
        """Make the claim RQ's worker's own execution; gives its queue."""
        execution = Execution(
            claim.execution_id, claim.job_id, self._worker.connection, self._worker.name
        )
        execution.created_at = datetime.fromtimestamp(claim.claimed_at, UTC)
        self._worker.execution = execution
        self._claim = claim
        return self._queues[claim.queue]

    def _make_sure(self, seconds: float | None = None) -> None:
        """Wait for Redis, and see that the job is still ours to record.

        Args:
            seconds: how long what comes next may take, before the supervisor ends it; None for the
                record alone, which may wait for Redis again.

        Raises:
            TakenOver: it is not ours any more.
        """
        self.end_if_forked()
        self._slot.recording()
        if not self._holds_claim():
            raise TakenOver
        if seconds is not None:
            self._slot.running_until(time.monotonic() + seconds + CALLBACK_SLACK)

    def _holds_claim(self) -> bool:
        assert self._claim is not None
        held = self._claim.held
        while True:
            try:
                return self._worker.connection.zscore(held.registry, held.entry) is not None
            except RedisError:
                if not self._patient():
                    raise
                time.sleep(AGAIN)
