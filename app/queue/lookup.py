"""A job as it stands, read from what RQ keeps of it."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import pydantic_core
import redis.asyncio
from redis.exceptions import RedisError
from rq.utils import str_to_date

from app.catalogue import Catalogue
from app.errors import ForgedPickle, JobGone, RedisUnavailable, UnknownJob, UnreadableJob
from app.models import ENDED, Job, JobError, Progress
from app.options import MOST_PARENTS
from app.queue import attempts, keys
from app.queue.event import NEWEST, Position, position_of_newest
from app.queue.job_error import error_of, stopped_by
from app.queue.job_id import is_ours
from app.queue.moment import moment, moment_of_score
from app.queue.new_job import links_of
from app.queue.transaction import Pipeline
from app.queue.wire import load_call, load_result, load_traceback
from app.queue.writer import BatchWriter, Command
from app.settings import Settings
from app.signature import Json

DEEPEST_POSITION = 100_000  # a position beyond it is not looked for: it would hold Redis up

_MAX_RETRIES_EXCEEDED = b"5"  # rq.results.Result.Type
_ASKED_TOO_OFTEN = "the task asked for another attempt by its result more often than it allowed"
_JOB_ID = re.compile(r"[A-Za-z0-9_-]+")  # as RQ allows them

Hash = dict[bytes, bytes]


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
        job = self._restore(job_id, raw)
        if job.status in {"finished", "failed", "stopped"} and results:
            self._add_outcome(job, results[0][1])
            if job.status == "stopped" and job.error:
                job.error = stopped_by(job.error, raw.get(b"stopped_by"))
        elif job.status == "canceled" and (reason := raw.get(b"canceled_because")):
            job.error = JobError(type="JobCanceled", message=reason.decode(errors="replace"))
        self._add_attempts(job, raw)
        return job

    def _restore(self, job_id: str, raw: Hash) -> Job:
        return restored(job_id, raw, self._task_at, self._settings)

    def _task_at(self, path: str) -> str:
        task = self._catalogue.at(path)
        return task.name if task else path

    def _add_outcome(self, job: Job, entry: Hash) -> None:
        try:
            if (traceback := entry.get(b"exc_string")) is not None:
                job.error = error_of(load_traceback(traceback))
            elif entry.get(b"type") == _MAX_RETRIES_EXCEEDED:
                job.error = JobError(type="MaxRetriesExceeded", message=_ASKED_TOO_OFTEN)
            elif (value := entry.get(b"return_value")) is not None and job.status == "finished":
                job.result = _plain(load_result(value))
        except Exception as error:
            raise UnreadableJob(job_id=job.id, part="result", reason=error) from error

    def _add_attempts(self, job: Job, raw: Hash) -> None:
        try:
            job.attempts = attempts.listed(raw, job)
        except ValueError as error:
            raise UnreadableJob(job_id=job.id, part="attempts", reason=error) from error


def restored(job_id: str, raw: Hash, task_at: Callable[[str], str], settings: Settings) -> Job:
    """Make a job of its hash alone.

    Args:
        job_id: the job's id.
        raw: its hash.
        task_at: gives the name of the task at a dotted path.
        settings: for its links.

    Raises:
        UnreadableJob: the hash is not what this service writes.
    """
    part = "call"
    try:
        call = load_call(raw[b"data"])
        path, args = _plain([call.path, call.named()])
        part = "record"
        attempt, max_attempts = attempts.counted(raw)
        status = _text(raw, b"status") or "created"
        return Job(
            id=job_id,
            task=task_at(path),
            status=status,
            queue=_text(raw, b"origin") or "",
            args=args,
            created_at=_date(raw, b"created_at") or datetime.fromtimestamp(0, UTC),
            enqueued_at=_date(raw, b"enqueued_at"),
            started_at=_date(raw, b"started_at"),
            # RQ leaves the last attempt's there while another one is to come.
            ended_at=_date(raw, b"ended_at") if status in ENDED else None,
            attempt=attempt,
            max_attempts=max_attempts,
            worker=_text(raw, b"worker_name"),
            labels=pydantic_core.from_json(raw.get(b"labels") or b"[]"),
            key=_text(raw, b"key"),
            duplicates=int(raw.get(b"duplicates") or 0),
            after=parents_of(raw.get(b"dependency_ids"), raw.get(b"dependency_id")),
            expires_at=_epoch(raw, b"expires_at"),
            callback=_text(raw, b"callback"),
            progress=_progress(raw),
            links=links_of(job_id, settings),
        )
    except (ForgedPickle, ValueError) as error:
        raise UnreadableJob(job_id=job_id, part=part, reason=error) from error


def missing(job_id: str) -> JobGone | UnknownJob:
    """Tell a job that is gone from one that never was."""
    return JobGone(job_id=job_id) if is_ours(job_id) else UnknownJob(job_id=job_id)


def parents_of(listed: bytes | None, single: bytes | None) -> list[str]:
    """Name the jobs that a job waits for, from the two fields in which RQ writes them."""
    try:
        if not listed:
            return [single.decode()] if single else []
        found: Any = pydantic_core.from_json(listed)
    except ValueError:  # not what RQ writes
        return []
    named = found if isinstance(found, list) else []
    return [parent for parent in named if isinstance(parent, str)][:MOST_PARENTS]


def _plain(value: Any) -> Json:
    """Give a value as JSON holds it; what our own workers write stays as it is.

    Raises:
        ValueError: JSON cannot hold it: NaN, bytes that are no text, a list within itself.
    """
    plain: Json = pydantic_core.from_json(pydantic_core.to_json(value), allow_inf_nan=False)
    return plain


def _named(reply: Any) -> Hash:
    """Give fields by their names: a bare reply has each name before its value."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def _text(raw: Hash, field: bytes) -> str | None:
    value = raw.get(field)
    return value.decode() if value else None


def _epoch(raw: Hash, field: bytes) -> datetime | None:
    value = raw.get(field)
    return moment(value) if value else None


def _progress(raw: Hash) -> Progress | None:
    value = raw.get(b"progress")
    return Progress.model_validate_json(value) if value else None


def _date(raw: Hash, field: bytes) -> datetime | None:
    value = raw.get(field)
    return str_to_date(value) if value else None
