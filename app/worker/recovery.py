"""Jobs whose process is gone: run again where they have attempts left, else failed; never lost."""

import logging
import traceback
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis
from redis.client import Pipeline
from redis.exceptions import RedisError, ResponseError
from rq import Queue
from rq.exceptions import AbandonedJobError
from rq.executions import Execution
from rq.job import JobStatus
from rq.timeouts import UnixSignalDeathPenalty
from rq.utils import as_text, now

from app.queue import keys
from app.queue.held import Held
from app.queue.script_calls import requeue_call
from app.queue.scripts import script
from app.queue.wire import WireSerializer
from app.worker.aside import Aside
from app.worker.job import TaskJob
from app.worker.unreadable import fail_unreadable

logger = logging.getLogger("task_api.worker")

MOST_CRASHES = 3  # a job that has killed its worker so often is not given to another
MOST_AT_ONCE = 100  # expired executions that one look takes
TIME_FOR_ONE = 10  # seconds that whoever takes one has for it

_WRONG_TYPE = "WRONGTYPE"  # how Redis' answer begins where a key holds something else


@dataclass(frozen=True, slots=True)
class Loss:
    """An execution whose process is gone."""

    held: Held
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of its job."""

    job: TaskJob
    again: bool
    reason: str


class Recovery:
    """Ends executions in place of those that cannot."""

    def __init__(self, connection: redis.Redis, queues: list[str], aside: Aside) -> None:
        self._connection = connection
        self._aside = aside
        self._registries = [keys.registry("started", queue) for queue in queues]
        self._queues = queues
        self._expired = connection.register_script(script("expired"))
        self._requeue = connection.register_script(script("requeue"))

    def take_over(self) -> int:
        """End every execution that has expired: its worker is dead; gives how many there were."""
        taken = self._expired(keys=self._registries, args=[TIME_FOR_ONE, MOST_AT_ONCE])
        for number, entry in zip(taken[::2], taken[1::2], strict=True):
            job_id, _, execution_id = entry.decode().partition(":")
            held = Held(job_id, execution_id, self._queues[number - 1])
            if self._was_claimed_ahead(held):
                self.put_back(held)
            else:
                self.lost(Loss(held, "its worker died"))
        return len(taken) // 2

    def lost(self, loss: Loss) -> None:
        """Run a job again whose process died while it ran it, or fail it with the reason.

        Nothing happens where it has ended after all, or somebody else has it now.
        """
        try:
            verdict: Any = self._connection.transaction(
                partial(self._judge, loss),  # type: ignore[arg-type]
                keys.job(loss.held.job_id),
                value_from_callable=True,
            )
        except Exception as error:
            if isinstance(error, RedisError) and not str(error).startswith(_WRONG_TYPE):
                raise
            fail_unreadable(self._connection, loss.held, error)
            return
        if verdict is not None:
            logger.warning(
                "job.lost id=%s again=%s reason=%s",
                loss.held.job_id,
                verdict.again,
                verdict.reason,
            )
            if not verdict.again:
                self._queue(loss.held.queue).enqueue_dependents(verdict.job)
                self._aside.call(partial(_tell, verdict))

    def holds(self, held: Held, connection: redis.Redis | None = None) -> bool:
        """Say whether this execution is still the one that has the job."""
        score = (connection or self._connection).zscore(held.registry, held.entry)
        return score is not None

    def put_back(self, held: Held) -> None:
        """Give a job back to the front of its queue that was taken from its horse on purpose."""
        script_keys, args = requeue_call(held)
        if self._requeue(keys=script_keys, args=args):
            logger.warning("job.put_back id=%s", held.job_id)

    def put_back_claimed(
        self, worker_key: str, *, call: str | None = None, running: str | None = None
    ) -> bool:
        """Give back what the last call of a worker has claimed, unless it is what is `running`.

        Where `call` is given, only if that was the last call; says whether it was. What has ended
        stays as it is.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        job_id, last = self._texts(worker_key, "claimed", "execution")
        if call not in {None, last}:
            return False
        if job_id and job_id != running:
            [queue] = self._texts(keys.job(job_id), "origin")
            self.put_back(Held(job_id, last, queue))
        return True

    def _was_claimed_ahead(self, held: Held) -> bool:
        """Say whether a dead worker had claimed a job ahead, and never begun it."""
        try:
            [name] = self._texts(keys.job(held.job_id), "worker_name")
            call, claimed, running = self._texts(
                keys.worker(name), "execution", "claimed", "current_job"
            )
        except (ResponseError, ValueError):  # a broken record
            return False
        return (call, claimed) == (held.execution_id, held.job_id) and running != held.job_id

    def _texts(self, key: str, *fields: str) -> list[str]:
        return [(as_text(value) if value else "") for value in self._connection.hmget(key, *fields)]

    def _judge(self, loss: Loss, pipeline: Pipeline) -> Verdict | None:
        """Write what becomes of a lost job; begun anew where its record changes meanwhile."""
        held = loss.held
        is_held = self.holds(held, pipeline)
        fields = pipeline.hgetall(keys.job(held.job_id))
        pipeline.multi()
        job = TaskJob(held.job_id, self._connection)
        job.origin = held.queue
        Execution(held.execution_id, held.job_id, self._connection).delete(job, pipeline)
        if not is_held or fields.get(b"status") != b"started":
            return None
        job.restore(fields)
        job.ended_at = now()
        crashes = int(fields.get(b"crashes") or 0) + 1
        pipeline.hset(job.key, "crashes", crashes)
        reason = loss.reason
        if crashes >= MOST_CRASHES:
            job.give_up(f"its process had died {crashes} times")
            reason = f"{reason}, as {crashes - 1} workers did before that ran it"
        job.fault = text = f"WorkerLost: {reason}"
        if again := job.should_retry:
            job.retry(self._queue(held.queue), pipeline)
        else:
            job.set_status(JobStatus.FAILED, pipeline)
            job._handle_failure(  # noqa: SLF001 - as RQ's own cleanup does
                text,
                pipeline,
                worker_name=job.worker_name or "",
                execution_id=held.execution_id,
                execution_started_at=job.started_at,
                execution_ended_at=job.ended_at,
            )
        return Verdict(job, again, reason)

    def _queue(self, name: str) -> Queue:
        return Queue(name, self._connection, job_class=TaskJob, serializer=WireSerializer)


def _tell(verdict: Verdict) -> None:
    """Call what was to be called should the job fail."""
    verdict.job.send_webhooks(JobStatus.FAILED, exc_string=verdict.reason)
    verdict.job.execute_failure_callback(
        UnixSignalDeathPenalty, AbandonedJobError, AbandonedJobError(), traceback.extract_stack()
    )
