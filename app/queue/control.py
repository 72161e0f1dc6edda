"""What a caller may do to a job: cancel, stop, retry, delete; each of them whole or not at all."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from app.errors import (
    RedisUnavailable,
    UnreadableJob,
    WorkerUnreachable,
    WrongStatus,
)
from app.models import Job
from app.queue import keys
from app.queue.hashes import Hash
from app.queue.lookup import Lookup, missing
from app.queue.moment import text_of_now
from app.queue.script_calls import delete_call, retry_call
from app.queue.scripts import script
from app.settings import Settings

STOP_IS_SLOW = 2.0  # seconds that a stop is watched for before the job is answered as it stands
STOP_AGAIN = 0.2  # seconds until a worker is told once more
STOP_LOOKS = 0.02  # seconds between two looks at the job

_BEFORE_IT_BEGINS = ("queued", "scheduled", "deferred")
_ENDED_BADLY = ("failed", "stopped", "canceled")
_NOT_RUNNING = ("queued", "scheduled", "deferred", "finished", *_ENDED_BADLY)


class Control:
    """Changes jobs."""

    def __init__(self, client: redis.asyncio.Redis, lookup: Lookup, settings: Settings) -> None:
        self._redis = client
        self._lookup = lookup
        self._keep = settings.failure_ttl
        self._callback_queue = settings.callback_queue
        self._cancel = client.register_script(script("cancel"))
        self._retry = client.register_script(script("retry"))
        self._stop = client.register_script(script("stop"))
        self._stopped = client.register_script(script("stopped"))
        self._delete = client.register_script(script("delete"))

    async def cancel(self, job_id: str, reason: str = "a caller canceled it") -> Job:
        """Cancel a job that has not begun.

        Raises:
            UnknownJob, JobGone, UnreadableJob, WrongStatus, RedisUnavailable.
        """
        await self._lookup.job(job_id)  # what cannot be read is deleted, not canceled
        await self._run(
            self._cancel,
            [keys.job(job_id)],
            [job_id, text_of_now(), self._keep, reason],
            ("canceled", _BEFORE_IT_BEGINS),
        )
        return await self._lookup.job(job_id)

    async def retry(self, job_id: str) -> Job:
        """Queue a job again that failed, or was stopped or canceled, with all its attempts anew.

        Raises:
            UnknownJob, JobGone, UnreadableJob, WrongStatus, RedisUnavailable.
        """
        await self._lookup.job(job_id)  # what cannot be read is not run again
        call = retry_call(job_id, *await self._record(job_id), self._callback_queue)
        await self._run(self._retry, *call, ("retried", _ENDED_BADLY))
        return await self._lookup.job(job_id)

    async def delete(self, job_id: str) -> Job:
        """Delete a job that is not running, with its result; gives it as it was.

        Raises:
            UnknownJob, JobGone, WrongStatus, RedisUnavailable.
            UnreadableJob: under its name is something else, and no job.
        """
        try:
            job = await self._lookup.job(job_id)
        except UnreadableJob as error:
            job = await self._lookup.remains(job_id, error)
        await self._run(self._delete, *delete_call(job_id, job.queue), ("deleted", _NOT_RUNNING))
        return job

    async def stop(self, job_id: str, who: str = "") -> Job:
        """End a running job: its worker kills the process that executes it.

        Args:
            job_id: the job's id.
            who: by whom, which the job's error then says.

        Raises:
            UnknownJob, JobGone, WrongStatus, WorkerUnreachable, RedisUnavailable.
        """
        job = await self._lookup.job(job_id)
        if job.status != "started" or not job.worker:
            raise _wrong_status(job_id, job.status, "stopped", ("started",))
        deadline = time.monotonic() + STOP_IS_SLOW
        # A worker that has claimed the job and not begun it has nothing to stop yet.
        while job.status == "started" and time.monotonic() < deadline:
            await self._tell_worker(job, who)
            again = min(deadline, time.monotonic() + STOP_AGAIN)
            while job.status == "started" and time.monotonic() < again:
                await asyncio.sleep(STOP_LOOKS)
                job = await self._lookup.job(job_id)
        if job.status == "stopped":
            await self._tell_stopped(job_id)
        return job

    async def _tell_worker(self, job: Job, who: str) -> None:
        """Have the job stopped by the worker that has it, if it has begun it."""
        assert job.worker is not None
        command = json.dumps({"command": "stop-job", "job_id": job.id})
        try:
            if who:
                await self._stop(keys=[keys.job(job.id)], args=[who])
            heard = await self._redis.publish(keys.worker_channel(job.worker), command)
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        if not heard:
            raise WorkerUnreachable(job_id=job.id, worker=job.worker)

    async def _tell_stopped(self, job_id: str) -> None:
        """Let those go on that have waited for a stopped job: a stock worker does not do that."""
        try:
            await self._stopped(keys=[keys.job(job_id)], args=[job_id, text_of_now()])
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error

    async def _record(self, job_id: str) -> tuple[Hash, list[Any]]:
        """Read a job's hash, and its last result."""
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hgetall(keys.job(job_id))
                pipeline.xrevrange(keys.results(job_id), count=1)
                raw, results = await pipeline.execute()
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        if not raw:
            raise missing(job_id)
        return raw, results

    async def _run(
        self,
        script: redis.commands.core.AsyncScript,
        script_keys: Sequence[str],
        args: Sequence[str | bytes | int],
        action: tuple[str, tuple[str, ...]],
    ) -> None:
        try:
            done, status = await script(keys=script_keys, args=args)
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        if status is None:
            raise missing(str(args[0]))
        if not done:
            raise _wrong_status(str(args[0]), status.decode(), *action)


def _wrong_status(job_id: str, status: str, action: str, allowed: tuple[str, ...]) -> WrongStatus:
    shown = f"{status} and being taken by a worker" if status in allowed else status
    return WrongStatus(job_id=job_id, status=shown, action=action, allowed=", ".join(allowed))
