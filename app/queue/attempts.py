"""A job's attempts: how many there were, what is kept of each, and how they are shown.

The last one is told from the job's own record. One that was followed by another leaves a field of
the job's hash, `attempt:<number>`, written in the transaction that lets the job run again.
"""

import json
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pydantic_core
from pydantic import ValidationError
from rq.job import Job as RQJob

from app.errors import ForgedPickle
from app.models import Attempt, Job, JobError
from app.queue.hashes import Hash
from app.queue.job_error import error_of, stopped_by
from app.queue.moment import moment_of_score, text_of
from app.queue.wire import load_traceback

MOST_KEPT = 20  # attempts of one job; older ones are dropped
LONGEST_TEXT = 500  # characters of an error's type, and of its message

NOT_RECORDED = JobError(
    type="NotRecorded",
    message="a worker of RQ's own ran this attempt, and keeps no record of one whose process was "
    "killed",
)
"""What is said of an attempt that was followed by another and has left nothing."""

_ENDED_BADLY = frozenset({b"failed", b"stopped"})
_BEGUN = frozenset({b"started", b"finished", b"failed", b"stopped"})


def counted(raw: Hash) -> tuple[int, int]:
    """Say how many executions a job has begun, and how many it may have.

    RQ counts `retries_left` down for each exception, and `number_of_retries` up for each retry that
    a task has asked for by its result. A manual retry starts both anew, and keeps in
    `attempts_before` what came before it.

    Raises:
        ValueError: a field is no number.
    """
    before = int(raw.get(b"attempts_before") or 0)
    asked_for = int(raw.get(b"number_of_retries") or 0)
    left = int(raw.get(b"retries_left") or 0)
    retries = retries_given(raw)
    begun = raw.get(b"status") in _BEGUN and bool(raw.get(b"started_at"))
    return before + retries - left + asked_for + begun, before + retries + asked_for + 1


def retries_given(raw: Hash) -> int:
    """Say how many retries a job was given: RQ keeps the list of intervals as it was."""
    intervals = raw.get(b"retry_intervals")
    left = int(raw.get(b"retries_left") or 0)
    # A plain client may give fewer intervals than retries; how many there were is known to nobody.
    return max(intervals.count(b",") + 1 if intervals else 0, left)


def number_of(job: RQJob) -> int:
    """Say which attempt a running job is at, counted from 1: the same count as `counted`."""
    # Our own jobs know what came before a manual retry, which begins RQ's count anew.
    before: int = getattr(job, "attempts_before", 0)
    left = job.retries_left or 0
    # RQ repeats a list of intervals that is shorter than the retries.
    used = max(len(job.retry_intervals or ()), left) - left
    return before + used + (job.number_of_retries or 0) + 1


def leave(job: RQJob, error: JobError, now: datetime, pipeline: Any) -> None:
    """Keep what is to be known of an attempt that is followed by another."""
    number = number_of(job)
    start = text_of(job.started_at) if job.started_at else None
    kept = _written(start, text_of(job.ended_at or now), job.worker_name, error)
    pipeline.hset(job.key, _field(number), kept)
    if number > MOST_KEPT:
        pipeline.hdel(job.key, _field(number - MOST_KEPT))


def completed(raw: Hash, results: Sequence[tuple[bytes, Hash]]) -> Hash:
    """Give a job's hash with the worker and the end of its last attempt, where those are left out.

    A stock worker's parent process, which records that a job was stopped or that its process died,
    writes the hash as it was before the job began, and tells its name in the result alone.

    Args:
        raw: the job's hash.
        results: its last result, if there is any, as Redis gives a stream's entries.
    """
    if raw.get(b"status") not in _ENDED_BADLY or not results:
        return raw
    entry_id, entry = results[0]
    recorded_at = moment_of_score(int(entry_id.partition(b"-")[0]) / 1000)
    told = {
        b"worker_name": entry.get(b"worker_name", b""),
        b"ended_at": text_of(recorded_at).encode() if recorded_at else b"",
    }
    return raw | {name: value for name, value in told.items() if not raw.get(name)}


def last_of(raw: Hash, results: Sequence[tuple[bytes, Hash]]) -> str:
    """Write the last attempt of a job that is to be retried by hand, as its field is to hold it.

    Args:
        raw: the job's hash.
        results: its last result, if there is any, as Redis gives a stream's entries.

    Empty where it did not end in an attempt, but was canceled before one.
    """
    if raw.get(b"status") not in _ENDED_BADLY:
        return ""
    try:
        said = error_of(load_traceback(results[0][1][b"exc_string"]))
        error = stopped_by(said, raw.get(b"stopped_by"))
    except (IndexError, KeyError):
        error = None  # it has ended without an exception
    except (ForgedPickle, ValueError, zlib.error) as unreadable:
        error = JobError(type=type(unreadable).__name__, message=str(unreadable))
    start, end, worker = (
        (raw.get(name) or b"").decode(errors="replace") or None
        for name in (b"started_at", b"ended_at", b"worker_name")
    )
    return _written(start, end, worker, error)


def listed(raw: Hash, job: Job) -> list[Attempt]:
    """List a job's last attempts, the first of them first, from its hash and its outcome.

    Raises:
        ValueError: a field holds what nobody writes there.
    """
    numbers = range(max(1, job.attempt - MOST_KEPT + 1), job.attempt + 1)
    return [_shown(raw, job, number) for number in numbers]


def _shown(raw: Hash, job: Job, number: int) -> Attempt:
    if (kept := raw.get(_field(number).encode())) is not None:
        return _read(number, kept)
    if number < job.attempt:
        return Attempt(
            number=number, started_at=None, ended_at=None, worker=None, error=NOT_RECORDED
        )
    ended = job.status in {"finished", "failed", "stopped"}
    waits = not ended and job.status != "started"
    error = job.error.model_copy(update={"traceback": None}) if ended and job.error else None
    return Attempt(
        number=number,
        started_at=job.started_at,
        ended_at=None if job.status == "started" else job.ended_at,
        worker=job.worker,
        error=NOT_RECORDED if waits else error,
    )


def _read(number: int, kept: bytes) -> Attempt:
    found = pydantic_core.from_json(kept)
    try:
        return Attempt(
            number=number,
            started_at=found["start"],
            ended_at=found["end"],
            worker=found["worker"],
            error=found["error"],
        )
    except (TypeError, KeyError, ValidationError) as error:
        raise ValueError(f"attempt {number} is not what this service writes") from error


def _field(number: int) -> str:
    return f"attempt:{number}"  # as `retry.lua` has it


def _written(start: str | None, end: str | None, worker: str | None, error: JobError | None) -> str:
    told = {"type": _cut(error.type), "message": _cut(error.message)} if error else None
    return json.dumps({"start": start, "end": end, "worker": worker, "error": told})


def _cut(text: str) -> str:
    text = text.encode(errors="backslashreplace").decode()  # JSON's readers want no lone surrogates
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
