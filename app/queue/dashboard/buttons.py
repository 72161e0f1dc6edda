"""What the dashboard's buttons do: the same scripts as the API's own control, one job or many.

RQ's own ways would load what may be forged, and a process that dies half-way through them loses the
job. The calls block, as the dashboard runs in threads.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import redis

from app.errors import TaskApiError, WrongStatus
from app.queue import keys
from app.queue.dashboard import shown
from app.queue.lookup import missing
from app.queue.script_calls import ScriptCall, delete_call, retry_call
from app.queue.scripts import script

AT_ONCE = 500  # jobs in one round trip


class Buttons:
    """Changes jobs as the dashboard asks."""

    def __init__(self, client: redis.Redis, callback_queue: str | None) -> None:
        self._client = client
        self._callback_queue = callback_queue
        self._retry = client.register_script(script("retry"))
        self._delete = client.register_script(script("delete"))

    def requeue(self, job_id: str) -> None:
        """Queue a job again that has failed, or was stopped or canceled.

        Raises:
            UnknownJob, JobGone, WrongStatus, redis.RedisError.
        """
        for refusal in filter(None, self._requeue([job_id])):
            raise refusal

    def requeue_all(self, queue: str) -> int:
        """Queue all jobs again that stand among a queue's failed ones; returns how many.

        Raises:
            redis.RedisError.
        """
        refusals = self._requeue(shown.ids(self._client, queue, "failed"))
        return sum(refusal is None for refusal in refusals)

    def delete(self, job_id: str) -> None:
        """Delete a job that is not running, with all that is kept of it.

        Raises:
            UnknownJob, JobGone, WrongStatus, redis.RedisError.
        """
        origin: bytes | None = self._client.hget(keys.job(job_id), "origin")  # type: ignore[assignment]
        if origin is None:
            raise missing(job_id)
        for refusal in filter(None, self._delete_all([job_id], origin.decode())):
            raise refusal

    def empty(self, queue: str, status: str) -> int:
        """Delete all jobs of a queue, or of one of its registries; returns how many.

        Raises:
            WrongStatus: none of them could be deleted, as they are running.
            redis.RedisError.
        """
        job_ids = shown.ids(self._client, queue, status)
        refusals = list(self._delete_all(job_ids, queue))
        done = refusals.count(None)
        if refusals and not done:
            raise next(filter(None, refusals))
        return done

    def compact(self, queue: str) -> int:
        """Take the ids out of a queue whose jobs are gone; returns how many.

        Raises:
            redis.RedisError.
        """
        job_ids = shown.ids(self._client, queue, "queued")
        gone: list[str] = []
        for some in _slices(job_ids):
            with self._client.pipeline(transaction=False) as pipeline:
                for job_id in some:
                    pipeline.exists(keys.job(job_id))
                exists = pipeline.execute()
            gone += [job_id for job_id, there in zip(some, exists, strict=True) if not there]
        for job_id in gone:
            self._client.lrem(keys.queue(queue), 1, job_id)
        return len(gone)

    def _requeue(self, job_ids: Sequence[str]) -> Iterator[TaskApiError | None]:
        for some in _slices(job_ids):
            with self._client.pipeline(transaction=False) as pipeline:
                for job_id in some:
                    pipeline.hgetall(keys.job(job_id))
                    pipeline.xrevrange(keys.results(job_id), count=1)
                found = pipeline.execute()
            yield from self._run(
                self._retry,
                [
                    (job_id, retry_call(job_id, raw, results, self._callback_queue))
                    for job_id, raw, results in zip(some, found[::2], found[1::2], strict=True)
                ],
                ("retried", "failed, stopped, canceled"),
            )

    def _delete_all(self, job_ids: Sequence[str], queue: str) -> Iterator[TaskApiError | None]:
        for some in _slices(job_ids):
            yield from self._run(
                self._delete,
                [(job_id, delete_call(job_id, queue)) for job_id in some],
                ("deleted", "any other than started"),
            )

    def _run(
        self, run: Callable[..., Any], calls: list[tuple[str, ScriptCall]], action: tuple[str, str]
    ) -> Iterator[TaskApiError | None]:
        with self._client.pipeline(transaction=False) as pipeline:
            for _, (script_keys, args) in calls:
                run(keys=script_keys, args=args, client=pipeline)
            replies = pipeline.execute()
        for (job_id, _), (done, status) in zip(calls, replies, strict=True):
            if done:
                yield None
            elif status is None:
                yield missing(job_id)
            else:
                yield WrongStatus(
                    job_id=job_id, status=status.decode(), action=action[0], allowed=action[1]
                )


def _slices(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(job_ids), AT_ONCE):
        yield job_ids[first : first + AT_ONCE]
