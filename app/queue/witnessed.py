"""A job whose changes leave what RQ itself does not keep, in the same transaction as its record.

RQ's own code writes what becomes of a job that fails, is retried or is stopped. It asks the job for
each step, so the job adds ours to the same pipeline: an event, and all that an end brings with it.
"""

import math
import time
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any

from rq import Queue
from rq.job import Job as RQJob
from rq.job import JobStatus, Retry
from rq.utils import now

from app.context import RetryLater
from app.models import JobError
from app.queue import attempts, keys
from app.queue.event import MOST_EVENTS
from app.queue.job_error import error_of
from app.queue.moment import text_of_now
from app.queue.new_callback import TASK as CALLBACK
from app.queue.scripts import script

_ENDED = (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)


class Witnessed(RQJob):
    """RQ's job, and what we add to its steps."""

    labels = ""  # a JSON list, as its hash holds it
    judge: Callable[[BaseException], str | None] | None = None
    """Says by which rule an exception of the task is final, if any; the task's own judgement."""

    fault: BaseException | str | None = None
    """Why the attempt did not succeed: what it has raised, or a sentence like RQ's own."""

    is_stock = False  # whether a worker of RQ's own runs it
    after_failure = ""  # what becomes of it where a job that it waits for does not finish
    expires_at: float | None = None  # epoch seconds
    has_expired = False  # before it has begun
    has_log = False  # whether this attempt has logged anything
    gave_up: str | None = None
    """Why no attempt is to follow, whatever attempts it has left."""

    retry_in: float | None = None  # seconds, where the task has said when

    def restore(self, raw_data: Any) -> None:
        """Read the job's hash, what we keep in it beside RQ's fields included."""
        super().restore(raw_data)
        self.read_ours(raw_data)

    def read_ours(self, fields: Any) -> None:
        """Read what we keep in the job's hash beside RQ's fields."""
        self.attempts_before = int(fields.get(b"attempts_before") or 0)
        self.labels = (fields.get(b"labels") or b"").decode()
        self.after_failure = (fields.get(b"after_failure") or b"").decode()
        expires_at = fields.get(b"expires_at")
        self.expires_at = float(expires_at) if expires_at else None

    def set_status(self, status: JobStatus, pipeline: Any = None) -> None:
        """Set the status, in a transaction or at once.

        RQ says "scheduled" at once, before the transaction that schedules and says so again. Killed
        in between, a worker would leave a job that is in no registry.
        """
        if pipeline is None:
            if status is JobStatus.SCHEDULED:
                self._status = status
            else:
                super().set_status(status, pipeline)
            return
        if self.has_expired and status is JobStatus.FAILED:
            status = JobStatus.CANCELED
        super().set_status(status, pipeline)
        if status in _ENDED:
            told = self.id, status.value, text_of_now(), *self._queued_by_rq(status)
            pipeline.eval(script("ended"), 1, self.key, *told)
        else:
            pipeline.hdel(self.key, "progress")  # another attempt begins without
            self.note(status.value, pipeline)

    def cleanup(
        self, ttl: int | None = None, pipeline: Any = None, remove_from_queue: bool = True
    ) -> None:
        """Let the job expire after so many seconds, and its log with it."""
        if ttl == 0 and self._status is JobStatus.FINISHED:
            self.set_status(self._status, pipeline)  # for RQ deletes it without having said so
        super().cleanup(ttl, pipeline, remove_from_queue)
        connection = self.connection if pipeline is None else pipeline
        if ttl and ttl > 0:
            connection.expire(keys.log(self.id), ttl)
        elif ttl:  # it is kept for ever
            connection.persist(keys.log(self.id))

    def delete(
        self, pipeline: Any = None, remove_from_queue: bool = True, delete_dependents: bool = False
    ) -> None:
        """Delete the job, and its log with it."""
        super().delete(pipeline, remove_from_queue, delete_dependents)
        (self.connection if pipeline is None else pipeline).delete(keys.log(self.id))

    def raised(self, error: BaseException) -> None:
        """Note what the task has raised, and what follows from it."""
        self.fault = error
        if isinstance(error, RetryLater):
            self.retry_in = error.seconds
        elif self.judge is not None and (rule := self.judge(error)):
            self.give_up(rule)

    def give_up(self, why: str) -> None:
        """Let the job fail now, whatever attempts it has left."""
        self.gave_up = why

    @property
    def should_retry(self) -> bool:
        """Whether another attempt follows one that did not succeed."""
        return self.gave_up is None and super().should_retry

    def execute_failure_callback(self, death_penalty_class: Any, *exc_info: Any) -> None:
        """Call what is to be called; RQ's worker does so before it asks for another attempt."""
        self.raised(exc_info[1])
        super().execute_failure_callback(death_penalty_class, *exc_info)

    def get_retry_interval(self) -> float:  # type: ignore[override] # RQ adds it to a time
        """Give the seconds until the next attempt."""
        if self.retry_in is None:
            return super().get_retry_interval()
        if self.retry_in == 0:
            return 0
        # RQ drops the fraction of the second at which the job is due, which would be too early.
        clock = time.time()
        return math.ceil(clock + self.retry_in) - clock + 0.001

    def dependencies_are_met(self, *args: Any, **kwargs: Any) -> bool:
        """Say whether RQ is to queue the job at the end of one that it waits for.

        Those that chose what becomes of them are settled by `changes.lua` in the step that ends it.
        """
        return not self.after_failure and super().dependencies_are_met(*args, **kwargs)

    def expire(self) -> bool:
        """Cancel the job where its time to start in was over when its first attempt began.

        What is raised next will end it, as RQ's worker ends a job that fails.
        """
        first = attempts.number_of(self) == 1
        self.has_expired = first and self.expires_at is not None and self.expires_at <= time.time()
        if self.has_expired:
            self.give_up("its time to start in was over")
        return self.has_expired

    def _handle_failure(self, exc_string: str, pipeline: Any, *args: Any, **kwargs: Any) -> None:
        if not self.has_expired:
            if self.gave_up is not None:
                pipeline.hset(self.key, "gave_up", self.gave_up)
            super()._handle_failure(exc_string, pipeline, *args, **kwargs)
            return
        pipeline.eval(script("lapsed"), 1, self.key, self.id, text_of_now())

    def _queued_by_rq(self, status: JobStatus) -> list[str]:
        """Name the jobs that a stock worker queues at this end by itself, and tells nobody."""
        if not self.is_stock or status is not JobStatus.FINISHED:
            return []
        return list(self.dependent_ids)

    def retry(self, queue: Queue, pipeline: Any) -> None:
        """Run the job again after an exception, or after its process died."""
        attempts.leave(self, self._why(), now(), pipeline)
        super().retry(queue, pipeline)

    def _handle_retry_result(
        self, queue: Queue, pipeline: Any, retry: Retry, *args: Any, **kwargs: Any
    ) -> None:
        asked = JobError(type="Retry", message="the task asked for another attempt by its result")
        attempts.leave(self, asked, now(), pipeline)
        super()._handle_retry_result(queue, pipeline, retry, *args, **kwargs)

    def _why(self) -> JobError:
        if isinstance(self.fault, BaseException):
            return error_of("".join(traceback.format_exception(self.fault)))
        return error_of(self.fault or "WorkerLost: the attempt was not brought to its end")

    def note(self, status: str, connection: Any) -> None:
        """Add a change of status to the stream of events."""
        if self.description == CALLBACK:  # the service's own, as in `changes.lua`
            return
        fields = {
            "job": self.id,
            "status": status,
            "task": self.description or "",
            "queue": self.origin,
        }
        if self.labels:
            fields["labels"] = self.labels
        connection.xadd(keys.EVENTS, fields, maxlen=MOST_EVENTS, approximate=True)


def witness(job: RQJob) -> Witnessed:
    """Let the job that a stock worker is running be a witnessed one, from now on.

    Its worker has begun it already, so that is noted here. The jobs of our own are witnessed ones.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    if isinstance(job, Witnessed):
        return job
    kind: Any = type(job)
    job.__class__ = _witnessed(kind)
    assert isinstance(job, Witnessed)
    fields = job.connection.hgetall(job.key)
    job.read_ours(fields)
    if b"progress" in fields:  # of an attempt whose process was killed
        job.connection.hdel(job.key, "progress")
    if not job.expire():
        job.note(JobStatus.STARTED.value, job.connection)
    return job


@cache
def _witnessed(kind: Any) -> type[Witnessed]:
    return type(f"Witnessed{kind.__name__}", (Witnessed, kind), {"is_stock": True})
