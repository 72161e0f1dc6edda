"""RQ's worker base, and what we change in it; all else that is RQ's own stays as it is."""

import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, worker_registration
from rq.executions import Execution
from rq.job import Job as RQJob
from rq.job import Retry
from rq.registry import FailedJobRegistry, FinishedJobRegistry
from rq.utils import now
from rq.worker import BaseWorker

from app.queue import keys
from app.queue.connection import limit_patience

logger = logging.getLogger("task_api.worker")

PATIENCE = 5.0  # seconds that it waits for an answer of Redis
AGAIN = 0.2  # seconds between tries while Redis is away
MOST_AT_ONCE = 1000  # ids that one round trip looks at
MOST_TRIES = 5  # of a record that RQ could not make, and does not tell why

AWAY = (RedisConnectionError, RedisTimeoutError, ReadOnlyError)


class TakenOver(Exception):
    """Another worker has the job now, for this one was taken for dead."""


class RQWorker(BaseWorker):
    """What a supervisor and its horse use of RQ."""

    make_sure: Callable[[float | None], None] | None = None
    """Waits for Redis; raises `TakenOver` where the job is not ours any more. Its argument is how
    many seconds what comes next may take; None stands for the record alone, which may wait."""

    _begin_record: Callable[[], None] | None = None

    tasks: Mapping[str, str] | None = None
    """What `Catalogue.digests` gives of the tasks that it has loaded; the doctor compares them."""

    def serialize(self) -> dict[str, Any]:
        """Give its record as RQ writes it, and its tasks beside that."""
        told = {} if self.tasks is None else {"tasks": json.dumps(self.tasks)}
        return {**super().serialize(), **told}

    def prepare_job_execution(
        self, job: RQJob, remove_from_intermediate_queue: bool = False
    ) -> None:
        """Note that a job begins; what comes next may take as long as the job may."""
        timeout = job.timeout or Queue.DEFAULT_TIMEOUT
        self._patiently(
            lambda: super(RQWorker, self).prepare_job_execution(job),
            timeout if timeout > 0 else math.inf,
        )

    def handle_execution_ended(self, job: RQJob, queue: Queue, heartbeat_ttl: int) -> None:
        """Note that the function of a job has ended; its callback comes next, and then the record.

        Whatever follows, RQ takes it for the job's failure: also that Redis is away.
        """
        if self.make_sure is not None:
            self.make_sure(heartbeat_ttl)
        self._patiently(
            lambda: super(RQWorker, self).handle_execution_ended(job, queue, heartbeat_ttl),
            heartbeat_ttl,
        )

    def handle_job_success(self, job: RQJob, queue: Queue, started_job_registry: Any) -> None:
        """Record a job's result; its webhooks come next."""
        before = self.execution, job.repeats_left

        def begin() -> None:
            self.execution, job.repeats_left = before

        self._begin_record = begin
        self._patiently(
            lambda: super(RQWorker, self).handle_job_success(job, queue, started_job_registry),
            None,
        )

    def increment_successful_job_count(self, pipeline: Pipeline | None = None) -> None:
        """Count a job; RQ begins its record here, and anew where others came to wait for the job.

        By then it has forgotten the execution, whose entries would stay, and counted a repeat.
        """
        if self._begin_record is not None:
            self._begin_record()
        super().increment_successful_job_count(pipeline)

    def handle_job_retry(
        self,
        job: RQJob,
        queue: Queue,
        retry: Retry,
        started_job_registry: Any,
        execution: Execution,
    ) -> None:
        """Record that a job has asked for another attempt."""
        before = job.number_of_retries

        def record() -> None:
            self.execution, job.number_of_retries = execution, before
            super(RQWorker, self).handle_job_retry(
                job, queue, retry, started_job_registry, execution
            )

        self._patiently(record, None)

    def handle_job_failure(
        self, job: RQJob, queue: Queue, started_job_registry: Any = None, exc_string: str = ""
    ) -> None:
        """Record a job's failure, and make sure of it: RQ tells its log alone that it could not."""
        before = self.execution, job.retries_left
        exc_string = exc_string.encode(errors="backslashreplace").decode()  # RQ's does not survive
        for _ in range(MOST_TRIES):
            self.execution, job.retries_left = before
            super().handle_job_failure(job, queue, started_job_registry, exc_string)
            if self.make_sure is None:
                return
            try:
                self.make_sure(None)
            except TakenOver:
                return  # it is recorded, so we have it no more
            time.sleep(AGAIN)
        # Its execution expires, and it is taken over.
        logger.error("job.not_recorded id=%s error=see what RQ has logged", job.id)

    def _patiently(self, action: Callable[[], None], seconds: float | None) -> None:
        while True:
            try:
                action()
            except AWAY:
                if self.make_sure is None:
                    raise
                self.make_sure(seconds)
            else:
                return

    def clean_registries(self) -> None:
        """Drop what has expired, as RQ does each ten minutes.

        RQ would fail every job whose execution has expired, live ones included that nobody could
        renew while Redis was away. Ours are seen to by `Recovery`.
        """
        for queue in self.queues:
            if not queue.acquire_maintenance_lock():
                continue
            for registry in (FinishedJobRegistry, FailedJobRegistry):
                registry(queue=queue).cleanup()
            self._forget_canceled(keys.registry("canceled", queue.name))
            worker_registration.clean_worker_registry(queue)
            queue.intermediate_queue.cleanup(self, queue)
            queue.release_maintenance_lock()
        self.last_cleaned_at = now()  # type: ignore[assignment]

    def _forget_canceled(self, registry: str) -> None:
        """Drop the canceled jobs that are gone; RQ lets the registry grow, as its own stay."""
        kept, ids = 0, [b""]
        while ids:
            found: Any = self.connection.zrangebyscore(
                registry, "-inf", time.time(), start=kept, num=MOST_AT_ONCE
            )
            ids = found
            with self.connection.pipeline(transaction=False) as pipeline:
                for job_id in ids:
                    pipeline.exists(keys.job("").encode() + job_id)
                there = pipeline.execute()
            gone = [each for each, is_there in zip(ids, there, strict=True) if not is_there]
            if gone:
                self.connection.zrem(registry, *gone)
            kept += len(ids) - len(gone)

    def _set_connection(self, connection: redis.Redis) -> redis.Redis:
        return limit_patience(connection, PATIENCE)

    def _set_ip_address(self, connection: redis.Redis) -> None:
        self.ip_address = "unknown"
        with contextlib.suppress(RedisError):  # away; a worker waits for it
            super()._set_ip_address(connection)
