"""A job as it stands, read from what RQ keeps of it."""

import json
import re
from datetime import UTC, datetime
from typing import Any, cast

import pydantic_core
import redis.asyncio
from redis.exceptions import RedisError
from rq.utils import str_to_date

from app.catalogue import Catalogue
from app.errors import ForgedPickle, JobGone, RedisUnavailable, UnknownJob, UnreadableJob
from app.models import MOST_PARENTS, Job, JobError, Progress
from app.queue import keys
from app.queue.job_error import error_of
from app.queue.job_id import is_ours
from app.queue.new_job import links_of
from app.queue.wire import load_call, load_result, load_traceback
from app.settings import Settings
from app.signature import Json

DEEPEST_POSITION = 100_000  # a position beyond it is not looked for: it would hold Redis up

_JOB_ID = re.compile(r"[A-Za-z0-9_-]+")  # as RQ allows them
_BEGUN = frozenset({"started", "finished", "failed", "stopped"})

Hash = dict[bytes, bytes]


class Lookup:
    """Reads jobs."""

    def __init__(
        self, client: redis.asyncio.Redis, catalogue: Catalogue, settings: Settings
    ) -> None:
        self._redis = client
        self._catalogue = catalogue
        self._settings = settings

    async def job(self, job_id: str) -> Job:
        """Give a job with its result or its error.

        Raises:
            UnknownJob, UnreadableJob, RedisUnavailable.
        """
        if not _JOB_ID.fullmatch(job_id):
            raise UnknownJob(job_id=job_id)  # RQ keeps other things than jobs under such names
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hgetall(keys.job(job_id))
                pipeline.xrevrange(keys.results(job_id), count=1)
                raw, results = await pipeline.execute()
            if b"data" not in raw:
                raise missing(job_id)
            job = self._restore(job_id, raw)
            if job.status in {"finished", "failed", "stopped"} and results:
                self._add_outcome(job, results[0][1])
            elif job.status == "canceled" and (reason := _text(raw, b"canceled_because")):
                job.error = JobError(type="JobCanceled", message=reason)
            elif job.status == "queued":
                job.position = await self._redis.lpos(  # type: ignore[assignment]
                    keys.queue(job.queue), job_id, maxlen=DEEPEST_POSITION
                )
            elif job.status == "scheduled":
                score = await self._redis.zscore(keys.registry("scheduled", job.queue), job_id)
                job.run_at = datetime.fromtimestamp(score, UTC) if score is not None else None
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        return job

    async def remains(self, job_id: str, unreadable: UnreadableJob) -> Job:
        """Give what can be said of a job that cannot be read: the reason is its error.

        Raises:
            UnknownJob, RedisUnavailable.
        """
        try:
            fields = await self._redis.hmget(keys.job(job_id), "status", "origin")
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        status, queue = (cast("bytes", field or b"").decode(errors="replace") for field in fields)
        return Job(
            id=job_id,
            task="",
            status=status,
            queue=queue,
            args={},
            created_at=datetime.fromtimestamp(0, UTC),
            error=JobError(type=type(unreadable).__name__, message=str(unreadable)),
            links=links_of(job_id, self._settings),
        )

    def _restore(self, job_id: str, raw: Hash) -> Job:
        part = "call"
        try:
            call = load_call(raw[b"data"])
            path, args = _plain([call.path, call.named()])
            task = self._catalogue.at(path)
            part = "record"
            attempt, max_attempts = attempts(raw)
            return Job(
                id=job_id,
                task=task.name if task else path,
                status=_text(raw, b"status") or "created",
                queue=_text(raw, b"origin") or "",
                args=args,
                created_at=_date(raw, b"created_at") or datetime.fromtimestamp(0, UTC),
                enqueued_at=_date(raw, b"enqueued_at"),
                started_at=_date(raw, b"started_at"),
                ended_at=_date(raw, b"ended_at"),
                attempt=attempt,
                max_attempts=max_attempts,
                worker=_text(raw, b"worker_name"),
                labels=json.loads(raw.get(b"labels") or b"[]"),
                key=_text(raw, b"key"),
                duplicates=int(raw.get(b"duplicates") or 0),
                after=parents_of(raw.get(b"dependency_ids"), raw.get(b"dependency_id")),
                expires_at=_epoch(raw, b"expires_at"),
                callback=_text(raw, b"callback"),
                progress=_progress(raw),
                links=links_of(job_id, self._settings),
            )
        except (ForgedPickle, ValueError) as error:
            raise UnreadableJob(job_id=job_id, part=part, reason=error) from error

    def _add_outcome(self, job: Job, entry: Hash) -> None:
        try:
            if (traceback := entry.get(b"exc_string")) is not None:
                job.error = error_of(load_traceback(traceback))
            elif (value := entry.get(b"return_value")) is not None and job.status == "finished":
                job.result = _plain(load_result(value))
        except Exception as error:
            raise UnreadableJob(job_id=job.id, part="result", reason=error) from error


def missing(job_id: str) -> JobGone | UnknownJob:
    """Tell a job that is gone from one that never was."""
    return JobGone(job_id=job_id) if is_ours(job_id) else UnknownJob(job_id=job_id)


def attempts(raw: Hash) -> tuple[int, int]:
    """Say how many executions a job has begun, and how many it may have.

    RQ counts `retries_left` down and keeps the list of intervals as it was; where a task gave up,
    `number_of_retries` tells what was used. A manual retry starts them anew, and keeps in
    `attempts_before` what came before it.
    """
    before = int(raw.get(b"attempts_before") or 0)
    intervals = raw.get(b"retry_intervals")
    left = int(raw.get(b"retries_left") or 0)
    # A plain client may give fewer intervals than retries; how many there were is known to nobody.
    retries = max(intervals.count(b",") + 1 if intervals else 0, left)
    used = raw.get(b"number_of_retries") or retries - left
    begun = _text(raw, b"status") in _BEGUN and bool(raw.get(b"started_at"))
    return before + int(used) + begun, before + retries + 1


def parents_of(listed: bytes | None, single: bytes | None) -> list[str]:
    """Name the jobs that a job waits for, from the two fields in which RQ writes them."""
    try:
        found: Any = json.loads(listed) if listed else [single.decode()] if single else []
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


def _text(raw: Hash, field: bytes) -> str | None:
    value = raw.get(field)
    return value.decode() if value else None


def _epoch(raw: Hash, field: bytes) -> datetime | None:
    value = raw.get(field)
    return datetime.fromtimestamp(float(value), UTC) if value else None


def _progress(raw: Hash) -> Progress | None:
    value = raw.get(b"progress")
    return Progress.model_validate_json(value) if value else None


def _date(raw: Hash, field: bytes) -> datetime | None:
    value = raw.get(field)
    return str_to_date(value) if value else None
