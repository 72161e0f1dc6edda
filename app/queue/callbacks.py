"""The callbacks of a job: each message, its tries, and one sent again."""

import contextlib
from collections.abc import Iterator
from typing import Any

import redis.asyncio
from pydantic import ValidationError
from redis.exceptions import RedisError

from app.callback import Callback, CallbackTry
from app.errors import ForgedPickle, RedisUnavailable, UnknownCallback, WrongStatus
from app.queue import keys
from app.queue.hashes import Hash
from app.queue.job_id import is_possible
from app.queue.lookup import missing
from app.queue.moment import moment_of_score, text_of_now
from app.queue.new_callback import SCHEDULE, schedule
from app.queue.scripts import script
from app.queue.wire import load_call

_SENDABLE = "scheduled, finished, failed, stopped, canceled"


class Callbacks:
    """Shows callbacks, and sends one again."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._resend = client.register_script(script("resend"))

    async def of(self, job_id: str) -> list[Callback]:
        """List the callbacks of a job, the oldest first; those that have expired are left out.

        Raises:
            UnknownJob, JobGone, RedisUnavailable.
        """
        try:
            ids = await self._ids(job_id)
            async with self._redis.pipeline(transaction=False) as pipeline:
                for callback_id in ids:
                    pipeline.hgetall(keys.job(callback_id))
                # A key that is no hash is no callback of ours.
                found = await pipeline.execute(raise_on_error=False)
            return [
                await self._shown(callback_id, raw)
                for callback_id, raw in zip(ids, found, strict=True)
                if isinstance(raw, dict) and b"data" in raw
            ]
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error

    async def send(self, job_id: str, callback_id: str) -> Callback:
        """Queue a callback anew, with the same message and id, and all further tries after it.

        Raises:
            UnknownJob, JobGone, UnknownCallback, RedisUnavailable.
            WrongStatus: it waits for its job, or is being sent.
        """
        try:
            if callback_id not in await self._ids(job_id):
                raise UnknownCallback(job_id=job_id, callback_id=callback_id)
            done, status = await self._resend(
                keys=[keys.job(callback_id), keys.QUEUES],
                args=[callback_id, text_of_now(), len(SCHEDULE), schedule()],
            )
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        if status is None:
            raise UnknownCallback(job_id=job_id, callback_id=callback_id)
        if not done:
            raise WrongStatus(
                job_id=callback_id,
                status=status.decode(),
                action="sent again",
                allowed=_SENDABLE,
            )
        return next(each for each in await self.of(job_id) if each.id == callback_id)

    async def _ids(self, job_id: str) -> list[str]:
        if not is_possible(job_id):
            raise missing(job_id)
        fields: Any = await self._redis.hmget(keys.job(job_id), "status", "callbacks")
        status, ids = fields
        if status is None:
            raise missing(job_id)
        named = (ids or b"").decode(errors="replace").split()
        return [each for each in named if is_possible(each)]

    async def _shown(self, callback_id: str, raw: Hash) -> Callback:
        status = raw.get(b"status", b"").decode(errors="replace")
        due = None
        if status == "scheduled":
            registry = keys.registry("scheduled", raw.get(b"origin", b"").decode(errors="replace"))
            due = await self._redis.zscore(registry, callback_id)
        tries = sorted(_tries(raw), key=lambda each: each.number)
        taken = [each.at for each in tries if each.status and 200 <= each.status < 300]
        return Callback(
            id=callback_id,
            url=_url(raw[b"data"]),
            status=status,
            delivered_at=taken[0] if taken else None,
            next_try_at=moment_of_score(due),
            tries=tries,
        )


def _tries(raw: Hash) -> Iterator[CallbackTry]:
    """Read what is kept of each try; what this service does not write is left out."""
    for name, value in raw.items():
        if name.startswith(b"try:"):
            with contextlib.suppress(ValidationError):
                yield CallbackTry.model_validate_json(value)


def _url(data: bytes) -> str:
    try:
        return str(load_call(data).kwargs.get("url", ""))
    except (ForgedPickle, ValueError):
        return ""
