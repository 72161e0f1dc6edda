"""A call of a task, made a job that is ready to be written: its hash, and the line it waits in."""

import json
import math
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from app.errors import InvalidOptions
from app.models import Job
from app.options import JobOptions
from app.queue import keys
from app.queue.backoff import intervals
from app.queue.job_commands import NewJobs
from app.queue.job_id import new_job_id
from app.queue.links import links_of
from app.queue.moment import text_of
from app.queue.new_callback import NewCallback, callback_url, new_callback
from app.queue.wire import dumps
from app.queue.writer import Command
from app.settings import Settings
from app.signature import Json
from app.tasks import Task

WORTH_COMPRESSING = 512
"""Bytes of a call from which on it is compressed, as RQ does with each; RQ takes it either way."""


def prepare(
    task: Task[..., Any],
    args: dict[str, Json],
    options: JobOptions,
    settings: Settings,
    now: datetime | None = None,
) -> NewJobs:
    """Make a job of validated arguments; nothing is sent.

    Jobs that are to be joined need the same `now`: else some may be due, and others not yet.

    Raises:
        InvalidOptions: the queue is none of the service's, or the job would expire before its time.
    """
    queue = options.queue or task.options.queue
    if queue not in settings.queues:
        raise InvalidOptions(errors=[_unknown_queue(queue, settings)])
    now = now or datetime.now(UTC)
    run_at = _run_at(options, now)
    expires_at = _expires_at(options, now, run_at)
    retries = task.options.retries if options.retries is None else options.retries
    job_id = new_job_id()
    job = Job(
        id=job_id,
        task=task.name,
        status="deferred" if options.after else "scheduled" if run_at else "queued",
        queue=queue,
        args=args,
        labels=list(options.label),
        created_at=now,
        enqueued_at=None if run_at or options.after else now,
        run_at=run_at and _whole_second(run_at),
        max_attempts=retries + 1,
        key=options.key,
        after=list(options.after),
        expires_at=expires_at,
        callback=callback_url(options.callback or task.options.callback, settings),
        links=links_of(job_id, settings),
    )
    fields = _fields(job, task, options, settings, retries)
    writes: tuple[Command, ...] = (("HSET", keys.job(job_id), *fields),)
    if expires_at is not None:
        writes += (("ZADD", keys.EXPIRING, expires_at.timestamp(), job_id),)
    callbacks: tuple[NewCallback, ...] = ()
    if job.callback is not None:
        keep = max(_result_ttl(task, options, settings), settings.failure_ttl)
        callback_queue = settings.callback_queue or queue
        callbacks = (new_callback(job_id, task.name, callback_queue, job.callback, keep),)
    return NewJobs([job], writes, _line(job, front=options.front), callbacks)


def _fields(
    job: Job, task: Task[..., Any], options: JobOptions, settings: Settings, retries: int
) -> list[str | bytes | int | float]:
    """Give the job's hash, name after value: what `rq.job.Job.to_dict` makes, without the detour.

    The fields that it writes empty are left out, which RQ reads as the same, and which are a third
    of what a waiting job takes in Redis. A test holds the two against each other.
    """
    created_at = text_of(job.created_at)
    data = dumps((task.path, None, (), job.args))
    timeout = task.options.timeout if options.timeout is None else options.timeout
    fields: list[str | bytes | int | float] = [
        *("created_at", created_at),
        *("data", data if len(data) < WORTH_COMPRESSING else zlib.compress(data)),
        *("origin", job.queue),
        # RQ's own description holds the arguments, which rq-dashboard prints as HTML.
        *("description", task.name),
        *("timeout", timeout),
        *("result_ttl", _result_ttl(task, options, settings)),
        *("failure_ttl", settings.failure_ttl),
        *("status", job.status),
    ]
    if job.enqueued_at is not None:
        fields += "enqueued_at", created_at
    if retries:
        delays = intervals(retries, task.options.backoff)
        fields += "retries_left", retries, "retry_intervals", f"[{', '.join(map(str, delays))}]"
    if job.labels:
        fields += "labels", json.dumps(job.labels)
    if options.front:
        fields += "enqueue_at_front", 1  # for the scheduler, which reads it from the job
    if job.expires_at is not None:
        fields += "expires_at", job.expires_at.timestamp()
    if options.key is not None:
        fields += "key", options.key, "lock", keys.lock(task.name, options.key)
    if options.after:
        may_fail = options.after_failure == "run"
        fields += "dependency_id", options.after[0], "dependency_ids", json.dumps(options.after)
        fields += "after_failure", options.after_failure
        fields += "allow_dependency_failures", int(may_fail)
    return fields


def _line(job: Job, *, front: bool) -> Command:
    if job.run_at is not None:
        due = int(job.run_at.timestamp())
        return "ZADD", keys.registry("scheduled", job.queue), due, job.id
    if job.status == "deferred":
        since = int(job.created_at.timestamp())
        return "ZADD", keys.registry("deferred", job.queue), since, job.id
    return "LPUSH" if front else "RPUSH", keys.queue(job.queue), job.id


def _run_at(options: JobOptions, now: datetime) -> datetime | None:
    """Give the time of a job that waits; None where it is due already."""
    run_at = options.run_at.astimezone(UTC) if options.run_at else None
    if options.delay is not None:
        run_at = now + timedelta(seconds=options.delay)
    return run_at if run_at and run_at > now else None


def _whole_second(run_at: datetime) -> datetime:
    """Give the second that a job is due in: RQ keeps whole ones, and rounded down it ran early."""
    return datetime.fromtimestamp(math.ceil(run_at.timestamp()), UTC)


def _expires_at(options: JobOptions, now: datetime, run_at: datetime | None) -> datetime | None:
    if options.expires is None:
        return None
    expires_at = now + timedelta(seconds=options.expires)
    if run_at is not None and expires_at <= run_at:
        late = "it would expire before run_at; expires counts from now"
        raise InvalidOptions(
            errors=[{"loc": ["query", "expires"], "message": late, "type": "expires_too_early"}]
        )
    return expires_at


def _result_ttl(task: Task[..., Any], options: JobOptions, settings: Settings) -> int:
    if options.result_ttl is not None:
        return options.result_ttl
    of_task = task.options.result_ttl
    return settings.result_ttl if of_task is None else of_task


def _unknown_queue(queue: str, settings: Settings) -> dict[str, Any]:
    return {
        "loc": ["query", "queue"],
        "message": f"{queue!r} is no queue of this service; it has {', '.join(settings.queues)}",
        "type": "unknown_queue",
    }
