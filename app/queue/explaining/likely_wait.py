"""How long a queued job is likely to wait: from what waits before it, recent runs, live workers."""

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean
from typing import Any

import redis.asyncio

from app.explanation import LikelyWait
from app.models import Job, WorkerInfo
from app.queue import keys
from app.queue.moment import moment_of_text

SAMPLE = 50
"""Finished jobs of a queue that are looked at: those that are kept longest, so mostly the last."""

OVERDUE = 1.0  # seconds beyond twice its task's average for which a run is held to be near its end

MOST_AHEAD = 100
"""Jobs ahead, of each queue, whose tasks are looked at; the others count as the queue's average."""


@dataclass(frozen=True, slots=True)
class _Record:
    """What a wait is reckoned from, of one job."""

    queue: str
    task: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(slots=True)
class _Runs:
    """How many seconds finished jobs took, by queue and by task."""

    taken: dict[tuple[str, str | None], list[float]] = field(default_factory=dict)

    def add(self, record: _Record) -> None:
        if record.started_at is not None and record.ended_at is not None:
            took = max(0.0, (record.ended_at - record.started_at).total_seconds())
            self.taken.setdefault((record.queue, record.task), []).append(took)
            self.taken.setdefault((record.queue, None), []).append(took)

    def of_task(self, queue: str, task: str) -> float | None:
        """Give a task's average; None where nothing is known of it."""
        found = self.taken.get((queue, task))
        return fmean(found) if found else None

    def of(self, queue: str, task: str | None) -> float | None:
        """Give a task's average, else its queue's; None where nothing is known."""
        found = self.taken.get((queue, task)) or self.taken.get((queue, None))
        return fmean(found) if found else None


async def likely_wait(
    client: redis.asyncio.Redis,
    job: Job,
    workers: Sequence[WorkerInfo],
    now: datetime,
    passed_over: Collection[str] = (),
) -> LikelyWait | None:
    """Reckon how long a queued job waits for one of these workers, in two round trips.

    Jobs of other queues count where every worker looks at those first, and not of those that are
    `passed_over`, for they are paused. Nothing is made up: where a job waits for others and no run
    of their queue is kept, the answer is None.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    if not workers or job.position is None:
        return None
    before = [each for each in _served_before(job.queue, workers) if each not in passed_over]
    order = [*before, job.queue]
    lengths, ahead, finished = await _listed(client, order, _served(workers))
    lengths[job.queue] = job.position
    ahead[job.queue] = ahead[job.queue][: job.position]
    running = {worker.current_job: worker for worker in workers if worker.current_job}
    records = await _records(
        client, [job.id, *running, *_all(ahead.values()), *_all(finished.values())]
    )
    runs = _Runs()
    for job_id in _all(finished.values()):
        if (record := records.get(job_id)) is not None:
            runs.add(record)
    free = [_left(records.get(worker.current_job or ""), worker, runs, now) for worker in workers]
    work = [
        seconds
        for name in order
        for seconds in _work(name, [records.get(each) for each in ahead[name]], lengths[name], runs)
    ]
    seconds = _first_free(free, work)
    if seconds is None:
        return None
    own = records.get(job.id)
    run_seconds = runs.of(job.queue, own.task if own else None)
    return LikelyWait(
        seconds=round(seconds, 3),
        jobs_ahead=sum(lengths.values()),
        run_seconds=None if run_seconds is None else round(run_seconds, 6),
        workers=len(workers),
    )


def _first_free(free: list[float | None], work: list[tuple[float | None, int]]) -> float | None:
    """Let each job ahead go to the worker that is free first; gives when the next one is."""
    known = [seconds for seconds in free if seconds is not None]
    if not work and 0.0 in known:
        return 0.0  # whatever the others are at
    if len(known) < len(free):
        return None
    heapq.heapify(known)
    rest = 0.0
    for seconds, times in work:
        if seconds is None:
            return None
        if times == 1:
            heapq.heapreplace(known, known[0] + seconds)
        else:
            rest += seconds * times / len(known)
    return known[0] + rest


def _work(
    queue: str, first: list[_Record | None], length: int, runs: _Runs
) -> Iterable[tuple[float | None, int]]:
    """Give the likely seconds of the jobs ahead in a queue, each with how many take so long."""
    for record in first:
        if record is not None:  # else it has expired as it waited, and is passed over
            yield runs.of(queue, record.task), 1
    if length > len(first):
        yield runs.of(queue, None), length - len(first)


def _left(record: _Record | None, worker: WorkerInfo, runs: _Runs, now: datetime) -> float | None:
    """Give the likely seconds until a worker is free; None where that is not known."""
    if record is None or record.started_at is None:
        return None if worker.state == "busy" else 0.0
    # Not its queue's average: one task may take a thousand times as long as another.
    run = runs.of_task(record.queue, record.task)
    if run is None:
        return None
    left = run - (now - record.started_at).total_seconds()
    # One that takes twice as long as the others did: nobody knows how much longer.
    return max(0.0, left) if left > -run - OVERDUE else None


def _served(workers: Sequence[WorkerInfo]) -> list[str]:
    return list(dict.fromkeys(_all(worker.queues for worker in workers)))


def _served_before(queue: str, workers: Sequence[WorkerInfo]) -> list[str]:
    """Name the queues that every worker looks at before this one."""
    before = [worker.queues[: worker.queues.index(queue)] for worker in workers]
    return [name for name in before[0] if all(name in other for other in before)]


async def _listed(
    client: redis.asyncio.Redis, order: list[str], served: list[str]
) -> tuple[dict[str, int], dict[str, list[str]], dict[str, list[str]]]:
    """Give lengths and first jobs of the queues in `order`, and finished jobs of all `served`."""
    async with client.pipeline(transaction=True) as pipeline:
        for name in order:
            pipeline.llen(keys.queue(name))
            pipeline.lrange(keys.queue(name), 0, MOST_AHEAD - 1)
        for name in served:
            pipeline.zrevrange(keys.registry("finished", name), 0, SAMPLE - 1)
        found = await pipeline.execute()
    of_order = found[: 2 * len(order)]
    return (
        dict(zip(order, of_order[::2], strict=True)),
        dict(zip(order, map(_texts, of_order[1::2]), strict=True)),
        dict(zip(served, map(_texts, found[2 * len(order) :]), strict=True)),
    )


async def _records(client: redis.asyncio.Redis, job_ids: Sequence[str]) -> Mapping[str, _Record]:
    async with client.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hmget(keys.job(job_id), "origin", "description", "started_at", "ended_at")
        found = await pipeline.execute(raise_on_error=False)  # what is no hash is no job
    records = {job_id: _record(fields) for job_id, fields in zip(job_ids, found, strict=True)}
    return {job_id: record for job_id, record in records.items() if record is not None}


def _record(fields: Any) -> _Record | None:
    if not isinstance(fields, list) or not fields[0]:
        return None
    # A task's name is its jobs' description; what a plain client writes there is no other's.
    queue, task = ((field or b"").decode(errors="replace") for field in fields[:2])
    try:
        started, ended = map(moment_of_text, fields[2:])
    except ValueError:  # not what RQ writes
        return None
    return _Record(queue, task, started, ended)


def _all(lists: Iterable[Sequence[str]]) -> list[str]:
    return [each for one in lists for each in one]


def _texts(found: list[bytes]) -> list[str]:
    return [each.decode(errors="replace") for each in found]
