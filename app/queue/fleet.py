"""The queues and the workers that serve them, counted."""

from datetime import UTC, datetime

import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from app.errors import RedisUnavailable, UnknownQueue
from app.models import Check, QueueInfo, Readiness, WorkerInfo
from app.queue import keys
from app.queue.hashes import Hash
from app.queue.moment import moment_of_text
from app.settings import Settings


class Fleet:
    """Looks over queues and workers, and pauses queues."""

    def __init__(self, client: redis.asyncio.Redis, settings: Settings) -> None:
        self._redis = client
        self._settings = settings

    async def queues(self) -> list[QueueInfo]:
        """Count every queue, in order of priority.

        Raises:
            RedisUnavailable.
        """
        return await self._count(self._settings.queues)

    async def queue(self, name: str) -> QueueInfo:
        """Count one queue.

        Raises:
            UnknownQueue, RedisUnavailable.
        """
        self._require(name)
        return (await self._count((name,)))[0]

    async def pause(self, name: str) -> QueueInfo:
        """Let `worker.Worker` claim no further job of a queue; gives the queue as it then stands.

        The script that claims looks at the same set, so once this returns no job is claimed.

        Raises:
            UnknownQueue, RedisUnavailable.
        """
        self._require(name)
        try:
            await self._redis.sadd(keys.PAUSED, name)
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        return await self.queue(name)

    async def resume(self, name: str) -> QueueInfo:
        """Let the jobs of a queue be claimed again; gives the queue as it then stands.

        Raises:
            UnknownQueue, RedisUnavailable.
        """
        self._require(name)
        try:
            await self._redis.srem(keys.PAUSED, name)
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        return await self.queue(name)

    async def workers(self) -> list[WorkerInfo]:
        """List the workers that are alive: those whose last heartbeat has not expired.

        Raises:
            RedisUnavailable.
        """
        try:
            members: set[bytes] = await self._redis.smembers(keys.WORKERS)  # type: ignore[assignment]
            names = sorted(member.decode(errors="replace") for member in members)
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.hgetall(name)  # the set holds the workers' own keys
                # A key that is no hash is no worker's, and no reason to overlook the others.
                found = await pipeline.execute(raise_on_error=False)
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        prefix = len(keys.worker(""))
        workers = (
            _worker(name[prefix:], raw)
            for name, raw in zip(names, found, strict=True)
            if isinstance(raw, dict) and raw and b"death" not in raw
        )
        return [worker for worker in workers if worker is not None]

    async def readiness(self) -> Readiness:
        """Say whether Redis answers and a worker serves, each by itself; raises nothing."""
        try:
            await self._redis.ping()
            workers = await self.workers()
        except (RedisError, RedisUnavailable) as error:
            checks = {
                "redis": Check(ok=False, reason=str(error)),
                "workers": Check(ok=False, reason="unknown while Redis is away"),
            }
        else:
            served = {queue for worker in workers for queue in worker.queues}
            unserved = [queue for queue in self._settings.queues if queue not in served]
            checks = {
                "redis": Check(ok=True),
                "workers": Check(ok=not unserved, reason=_unserved(unserved, bool(workers))),
            }
        return Readiness(ready=all(check.ok for check in checks.values()), checks=checks)

    def _require(self, name: str) -> None:
        if name not in self._settings.queues:
            raise UnknownQueue(queue=name, queues=", ".join(self._settings.queues))

    async def _count(self, names: tuple[str, ...]) -> list[QueueInfo]:
        workers = await self.workers()
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.exists(keys.SUSPENDED)
                for name in names:
                    pipeline.sismember(keys.PAUSED, name)
                    pipeline.llen(keys.queue(name))
                    pipeline.lindex(keys.queue(name), 0)
                    for status in keys.REGISTRIES:
                        pipeline.zcard(keys.registry(status, name))
                suspended, *counts = await pipeline.execute()
            width = 3 + len(keys.REGISTRIES)
            rows = [counts[i * width : (i + 1) * width] for i in range(len(names))]
            async with self._redis.pipeline(transaction=False) as pipeline:
                for _, _, first, *_ in rows:
                    job_id = (first or b"").decode(errors="replace")
                    pipeline.hget(keys.job(job_id), "enqueued_at")
                since = await pipeline.execute(raise_on_error=False)
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        return [
            QueueInfo(
                name=name,
                priority=self._settings.queues.index(name),
                counts={"queued": queued, **dict(zip(keys.REGISTRIES, registries, strict=True))},
                oldest_age=_age(enqueued),
                paused=bool(suspended or paused),
                workers=sum(name in worker.queues for worker in workers),
            )
            for name, (paused, queued, _, *registries), enqueued in zip(
                names, rows, since, strict=True
            )
        ]


def _unserved(queues: list[str], any_worker: bool) -> str | None:
    if not queues:
        return None
    if not any_worker:
        return "no worker is alive; start one with: python worker.py"
    return f"no worker serves {', '.join(queues)}"


def _age(enqueued_at: bytes | ResponseError | None) -> float | None:
    if not isinstance(enqueued_at, bytes):
        return None
    try:
        since = moment_of_text(enqueued_at)
    except ValueError:  # not what RQ writes: one job's trouble, not the queue's
        return None
    return max(0.0, round((datetime.now(UTC) - since).total_seconds(), 3)) if since else None


def _worker(name: str, raw: Hash) -> WorkerInfo | None:
    try:
        return _read_worker(name, raw)
    except ValueError:  # fields that no worker writes
        return None


def _read_worker(name: str, raw: Hash) -> WorkerInfo:
    def text(field: bytes) -> str | None:
        value = raw.get(field)
        return value.decode() if value else None

    return WorkerInfo(
        name=name,
        host=text(b"hostname"),
        pid=int(raw.get(b"pid") or 0) or None,
        state=text(b"state") or "unknown",
        queues=(text(b"queues") or "").split(","),
        current_job=text(b"current_job"),
        born_at=moment_of_text(raw.get(b"birth")),
        last_heartbeat=moment_of_text(raw.get(b"last_heartbeat")),
        successful_jobs=int(raw.get(b"successful_job_count") or 0),
        failed_jobs=int(raw.get(b"failed_job_count") or 0),
        working_seconds=float(raw.get(b"total_working_time") or 0),
        version=text(b"version"),
    )
