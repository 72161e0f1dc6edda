"""A job as it stands, read from what RQ keeps of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from app.catalogue import Catalogue
from app.errors import JobGone, RedisUnavailable, UnknownJob, UnreadableJob
from app.models import Job, JobError
from app.queue import keys
from app.queue.attempts import completed
from app.queue.event import NEWEST, Position, position_of_first
from app.queue.hashes import Hash, hash_of
from app.queue.job_id import is_ours, is_possible
from app.queue.late import cancel_late, is_late
from app.queue.links import links_of
from app.queue.moment import moment_of_score
from app.queue.record import add_attempts, add_outcome, restored
from app.queue.transaction import Pipeline
from app.queue.writer import BatchWriter, Command
from app.settings import Settings

DEEPEST_POSITION = 100_000  # a position beyond it is not looked for: it would hold Redis up

_OF_ANOTHER_TYPE = "WRONGTYPE"  # how Redis says that a key holds something else


class Seen(NamedTuple):
    """A job as it stood, and the newest event at that time: those after it are news."""

    job: Job
    newest: Position


class Lookup:
    """Reads jobs."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        catalogue: Catalogue,
        settings: Settings,
        reader: BatchWriter | None = None,
    ) -> None:
        self._redis = client
        self._reader = reader or BatchWriter(Pipeline(client))
        self._catalogue = catalogue
        self._settings = settings

    async def job(self, job_id: str) -> Job:
        """Give a job with its result or its error.

        Raises:
            UnknownJob, UnreadableJob, RedisUnavailable.
        """
        job, _ = await self._read(job_id)
        await self.add_place(job)
        return job

    async def add_place(self, job: Job) -> None:
        """Note of a job that waits where it stands in its queue, or when it is due.

        Raises:
            UnreadableJob, RedisUnavailable.
        """
        if job.status == "queued":
            queue = keys.queue(job.queue)
            place = "LPOS", queue, job.id, "MAXLEN", DEEPEST_POSITION
            [job.position] = await self._ask(job.id, place)
        elif job.status == "scheduled":
            score = "ZSCORE", keys.registry("scheduled", job.queue), job.id
            [due] = await self._ask(job.id, score)
            job.run_at = moment_of_score(due)

    async def seen(self, job_id: str) -> Seen:
        """Give a job without its place in a line, and which events of it are in that already.

        Raises:
            UnknownJob, JobGone, UnreadableJob, RedisUnavailable.
        """
        job, [newest] = await self._read(job_id, NEWEST)
        return Seen(job, position_of_first(newest))

    async def cancel_late(self, job_ids: Sequence[str]) -> None:
        """Cancel those of these jobs that have not started in time; see `app.queue.late`."""
        await cancel_late(self._reader, job_ids)

    async def _read(self, job_id: str, *more: Command) -> tuple[Job, list[Any]]:
        """Give a job, and the replies to what else is to be asked; one that is late is canceled."""
        job, others = await self._read_once(job_id, *more)
        if is_late(job):
            await self.cancel_late([job_id])
            return await self._read_once(job_id, *more)
        return job, others

    async def _read_once(self, job_id: str, *more: Command) -> tuple[Job, list[Any]]:
        """Give a job, and the replies to what else is to be asked in the same transaction.

        All that are asked for at the same time are read by one transaction, on one connection.
        """
        if not is_possible(job_id):
            raise UnknownJob(job_id=job_id)  # RQ keeps other things than jobs under such names
        flat, results, *others = await self._ask(
            job_id,
            ("HGETALL", keys.job(job_id)),
            ("XREVRANGE", keys.results(job_id), "+", "-", "COUNT", 1),
            *more,
        )
        raw = hash_of(flat)
        if b"data" not in raw:
            raise missing(job_id)
        entries = [(entry_id, hash_of(fields)) for entry_id, fields in results]
        return self.restore(job_id, raw, entries), others

    async def aclose(self) -> None:
        """Close the connection that jobs are read on."""
        await self._reader.aclose()

    async def _ask(self, job_id: str, *commands: Command) -> list[Any]:
        replies = await self._reader.write(commands)
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, Exception):
                if str(reply).startswith(_OF_ANOTHER_TYPE):
                    raise UnreadableJob(job_id=job_id, part=command[1], reason=reply) from reply
                raise RedisUnavailable(reason=reply) from reply
        return replies

    async def remains(self, job_id: str, unreadable: UnreadableJob) -> Job:
        """Give what can be said of a job that cannot be read: the reason is its error.

        Raises:
            UnreadableJob: there is no hash. RedisUnavailable.
        """
        try:
            fields = await self._redis.hmget(keys.job(job_id), "status", "origin")
        except ResponseError as error:
            raise unreadable from error
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        status, queue = cast("list[bytes | None]", fields)
        return self.unreadable(job_id, status, queue, unreadable)

    def unreadable(
        self, job_id: str, status: bytes | None, queue: bytes | None, unreadable: UnreadableJob
    ) -> Job:
        """Give what can be said of a job that cannot be read, of these fields; see `remains`."""
        return Job(
            id=job_id,
            task="",
            status=(status or b"").decode(errors="replace"),
            queue=(queue or b"").decode(errors="replace"),
            args={},
            created_at=datetime.fromtimestamp(0, UTC),
            error=JobError(type=type(unreadable).__name__, message=str(unreadable)),
            links=links_of(job_id, self._settings),
        )

    def restore(
        self, job_id: str, raw: Hash, results: Sequence[tuple[bytes, Hash]] | Exception
    ) -> Job:
        """Make a job of its hash and its last result; where it stands in a line is not in them.

        Raises:
            UnreadableJob.
        """
        if isinstance(results, Exception):
            raise UnreadableJob(job_id=job_id, part="result", reason=results) from results
        raw = completed(raw, results)
        job = restored(job_id, raw, self._task_at, self._settings)
        add_outcome(job, raw, results[0][1] if results else None)
        add_attempts(job, raw)
        return job

    def _task_at(self, path: str) -> str:
        task = self._catalogue.at(path)
        return task.name if task else path


def missing(job_id: str) -> JobGone | UnknownJob:
    """Tell a job that is gone from one that never was."""
    return JobGone(job_id=job_id) if is_ours(job_id) else UnknownJob(job_id=job_id)
