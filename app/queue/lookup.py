"""A job as it stands, read from what RQ keeps of it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import redis.asyncio
from redis.exceptions import RedisError

from app.catalogue import Catalogue
from app.errors import JobGone, RedisUnavailable, UnknownJob, UnreadableJob
from app.models import Job, JobError
from app.queue import keys
from app.queue.event import NEWEST, Position, position_of_newest
from app.queue.job_id import is_ours
from app.queue.moment import moment_of_score
from app.queue.new_job import links_of
from app.queue.record import Hash, add_attempts, add_outcome, restored
from app.queue.transaction import Pipeline
from app.queue.writer import BatchWriter, Command
from app.settings import Settings

DEEPEST_POSITION = 100_000  # a position beyond it is not looked for: it would hold Redis up

_JOB_ID = re.compile(r"[A-Za-z0-9_-]+")  # as RQ allows them


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
        job = (await self.seen(job_id)).job
        await self.add_place(job)
        return job

    async def add_place(self, job: Job) -> None:
        """Note of a job that waits where it stands in its queue, or when it is due.

        Raises:
            RedisUnavailable.
        """
        if job.status == "queued":
            queue = keys.queue(job.queue)
            [job.position] = await self._ask(("LPOS", queue, job.id, "MAXLEN", DEEPEST_POSITION))
        elif job.status == "scheduled":
            [due] = await self._ask(("ZSCORE", keys.registry("scheduled", job.queue), job.id))
            job.run_at = moment_of_score(due)

    async def seen(self, job_id: str) -> Seen:
        """Give a job without its place in a line, and which events of it are in that already.

        All that are asked for at the same time are read by one transaction, on one connection.

        Raises:
            UnknownJob, JobGone, UnreadableJob, RedisUnavailable.
        """
        if not _JOB_ID.fullmatch(job_id):
            raise UnknownJob(job_id=job_id)  # RQ keeps other things than jobs under such names
        flat, results, newest = await self._ask(
            ("HGETALL", keys.job(job_id)),
            ("XREVRANGE", keys.results(job_id), "+", "-", "COUNT", 1),
            NEWEST,
        )
        raw = _named(flat)
        if b"data" not in raw:
            raise missing(job_id)
        entries = [(entry_id, _named(fields)) for entry_id, fields in results]
        job = self.restore(job_id, raw, entries)
        return Seen(job, position_of_newest(newest))

    async def aclose(self) -> None:
        """Close the connection that jobs are read on."""
        await self._reader.aclose()

    async def _ask(self, *commands: Command) -> list[Any]:
        replies = await self._reader.write(commands)
        for reply in replies:
            if isinstance(reply, Exception):  # something else than a job's is under its name
                raise RedisUnavailable(reason=reply) from reply
        return replies

    async def remains(self, job_id: str, unreadable: UnreadableJob) -> Job:
        """Give what can be said of a job that cannot be read: the reason is its error.

        Raises:
            UnknownJob, RedisUnavailable.
        """
        try:
            fields = await self._redis.hmget(keys.job(job_id), "status", "origin")
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

    def restore(self, job_id: str, raw: Hash, results: Sequence[tuple[bytes, Hash]]) -> Job:
        """Make a job of its hash and its last result; where it stands in a line is not in them.

        Raises:
            UnreadableJob.
        """
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


def _named(reply: Any) -> Hash:
    """Give fields by their names: a bare reply has each name before its value."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))
