"""A call of a task, made ready to be written: the job, and the commands that RQ would send."""

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.errors import InvalidOptions
from app.models import Job, JobLinks
from app.options import JobOptions
from app.queue import keys
from app.queue.backoff import intervals
from app.queue.event import MOST_EVENTS
from app.queue.job_id import new_job_id
from app.queue.moment import text_of
from app.queue.new_callback import NewCallback, callback_url, new_callback
from app.queue.wire import dumps
from app.queue.writer import Command, raise_first_error
from app.settings import Settings
from app.signature import Json
from app.tasks import Task

WORTH_COMPRESSING = 512
"""Bytes of a call from which on it is compressed, as RQ does with each; RQ takes it either way."""


@dataclass(frozen=True, slots=True)
class NewJobs:
    """Jobs that are not written yet, all for one queue, and the commands that write them."""

    jobs: list[Job]
    writes: tuple[Command, ...]
    line: Command  # puts them where they wait: the queue's list, or a registry
    callbacks: tuple[NewCallback, ...] = ()

    @property
    def queue(self) -> str:
        """The queue that they are for."""
        return self.jobs[0].queue

    @property
    def is_queued(self) -> bool:
        """Whether they are due at once; then the last command answers with the queue's length."""
        return self.jobs[0].status == "queued"

    @property
    def commands(self) -> tuple[Command, ...]:
        """What has to be sent, in one transaction."""
        return (
            ("SADD", keys.QUEUES, keys.queue(self.queue)),
            *self.writes,
            *(command for callback in self.callbacks for command in callback.commands),
            *self._listings,
            *map(_event, self.jobs),
            self.line,
        )

    @property
    def undo(self) -> tuple[Command, ...]:
        """What takes the writes back, should a command have failed; the others were done."""
        ids = [job.id for job in self.jobs]
        return (
            ("DEL", *map(keys.job, ids)),
            *self._unlining,
            *(("ZREM", index, *ids) for index in self._indexes),
            *(command for callback in self.callbacks for command in callback.undo),
        )

    @property
    def _unlining(self) -> list[Command]:
        command, place, *_ = self.line
        ids = [job.id for job in self.jobs]
        if command == "ZADD":
            return [("ZREM", place, *ids)]
        end = 1 if command == "LPUSH" else -1  # of the list, from which each is searched
        return [("LREM", place, end, job_id) for job_id in ids]

    @property
    def _indexes(self) -> tuple[str, ...]:
        """Name the indexes that the jobs stand in; their task and labels are the same."""
        job = self.jobs[0]
        return (
            keys.JOBS,
            keys.jobs_of_task(job.task),
            *map(keys.jobs_with_label, job.labels),
        )

    @property
    def _listings(self) -> list[Command]:
        # All scores are nothing: ids sort by their time.
        scored = [part for job in self.jobs for part in (0, job.id)]
        listings: list[Command] = [("ZADD", index, *scored) for index in self._indexes]
        if labels := self.jobs[0].labels:
            known = [part for label in labels for part in (0, keys.jobs_with_label(label))]
            listings.append(("ZADD", keys.INDEXES, "NX", *known))
        return listings

    def confirmed(self, replies: Sequence[Any]) -> list[Job]:
        """Give the jobs as they stand once Redis has answered the commands.

        Raises:
            RedisUnavailable: one of them failed.
        """
        raise_first_error(replies)
        if self.is_queued:
            front = self.line[0] == "LPUSH"
            first = 0 if front else replies[-1] - len(self.jobs)
            for position, job in enumerate(self.jobs, first):
                job.position = position
        return self.jobs


def join(news: Sequence[NewJobs]) -> NewJobs:
    """Make one write of several, which keeps their order; they have the same options."""
    command, key, *_ = news[0].line
    ordered = reversed(news) if command == "LPUSH" else news  # the last one pushed comes first
    return NewJobs(
        [job for new in news for job in new.jobs],
        tuple(write for new in news for write in new.writes),
        (command, key, *(part for new in ordered for part in new.line[2:])),
        tuple(callback for new in news for callback in new.callbacks),
    )


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
        callbacks = (new_callback(job_id, task.name, queue, job.callback, keep),)
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


def links_of(job_id: str, settings: Settings) -> JobLinks:
    """Say where the rest about a job is found."""
    root = settings.root_path
    job = f"{root}/jobs/{job_id}"
    return JobLinks(
        self=job,
        events=f"{job}/events",
        result=f"{job}/result",
        log=f"{job}/log",
        explain=f"{job}/explain",
        callbacks=f"{job}/callbacks",
        dashboard=f"{root}/dashboard/0/view/job/{job_id}" if settings.dashboard else None,
    )


def _event(job: Job) -> Command:
    fields: Command = (
        *("job", job.id),
        *("status", job.status),
        *("task", job.task),
        *("queue", job.queue),
    )
    if job.labels:
        fields += "labels", json.dumps(job.labels)
    return "XADD", keys.EVENTS, "MAXLEN", "~", MOST_EVENTS, "*", *fields


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
