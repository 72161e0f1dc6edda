"""A job made of the fields in which RQ keeps it; Redis is not asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pydantic_core

from app.errors import ForgedPickle, UnreadableJob
from app.models import ENDED, Job, JobError, Progress
from app.options import MOST_PARENTS
from app.queue import attempts
from app.queue.hashes import Hash
from app.queue.job_error import error_of, stopped_by
from app.queue.links import links_of
from app.queue.moment import moment_of_seconds, moment_of_text
from app.queue.wire import load_call, load_result, load_traceback
from app.settings import Settings
from app.signature import Json

_MAX_RETRIES_EXCEEDED = b"5"  # rq.results.Result.Type
_ASKED_TOO_OFTEN = "the task asked for another attempt by its result more often than it allowed"


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
            created_at=moment_of_text(raw.get(b"created_at")) or datetime.fromtimestamp(0, UTC),
            enqueued_at=moment_of_text(raw.get(b"enqueued_at")),
            started_at=moment_of_text(raw.get(b"started_at")),
            # RQ leaves the last attempt's there while another one is to come.
            ended_at=moment_of_text(raw.get(b"ended_at")) if status in ENDED else None,
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


def add_outcome(job: Job, raw: Hash, entry: Hash | None) -> None:
    """Add to a job what came of it.

    Args:
        job: the job, which is changed.
        raw: its hash.
        entry: the last of its results, where it has one.

    Raises:
        UnreadableJob: the result is not what RQ writes.
    """
    if job.status in {"finished", "failed", "stopped"} and entry is not None:
        try:
            _add_result(job, entry)
        except Exception as error:
            raise UnreadableJob(job_id=job.id, part="result", reason=error) from error
        if job.status == "stopped" and job.error:
            job.error = stopped_by(job.error, raw.get(b"stopped_by"))
    elif job.status == "canceled" and (reason := raw.get(b"canceled_because")):
        job.error = JobError(type="JobCanceled", message=reason.decode(errors="replace"))


def add_attempts(job: Job, raw: Hash) -> None:
    """Add to a job each time that it was tried.

    Raises:
        UnreadableJob: the attempts are not what this service writes.
    """
    try:
        job.attempts = attempts.listed(raw, job)
    except ValueError as error:
        raise UnreadableJob(job_id=job.id, part="attempts", reason=error) from error


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


def _add_result(job: Job, entry: Hash) -> None:
    if (traceback := entry.get(b"exc_string")) is not None:
        job.error = error_of(load_traceback(traceback))
    elif entry.get(b"type") == _MAX_RETRIES_EXCEEDED:
        job.error = JobError(type="MaxRetriesExceeded", message=_ASKED_TOO_OFTEN)
    elif (value := entry.get(b"return_value")) is not None and job.status == "finished":
        job.result = _plain(load_result(value))


def _text(raw: Hash, field: bytes) -> str | None:
    value = raw.get(field)
    return value.decode() if value else None


def _epoch(raw: Hash, field: bytes) -> datetime | None:
    value = raw.get(field)
    return moment_of_seconds(value) if value else None


def _progress(raw: Hash) -> Progress | None:
    value = raw.get(b"progress")
    return Progress.model_validate_json(value) if value else None
