"""Why a job has not run yet, what it is at, or why it ended so: gathered from what RQ keeps.

It costs the same however long the queue is: a bounded number of round trips, each of bounded size.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import redis.asyncio
from redis.exceptions import RedisError

from app.errors import RedisUnavailable
from app.explanation import Explanation, Parent, RunningAttempt
from app.models import ENDED, Job, JobError, WorkerInfo
from app.queue import keys
from app.queue.explaining.likely_wait import likely_wait
from app.queue.explaining.summary import Surroundings, summary_of
from app.queue.fleet import Fleet
from app.queue.held import Held
from app.queue.lookup import DEEPEST_POSITION, Lookup
from app.queue.moment import moment_of_score, moment_of_text
from app.queue.record import parents_of
from app.settings import Settings

MOST_LOOKS = 3  # at a job that goes on to another status while it is looked at

_LOOKS_APART = 0.2  # of `takeover_after`: how often a worker looks for what has expired
_AFTER_FAILURE: dict[bytes | None, Literal["cancel", "run"]] = {b"cancel": "cancel", b"run": "run"}
_FIELDS = (
    *("status", "timeout", "last_heartbeat"),
    *("dependency_ids", "dependency_id", "allow_dependency_failures", "after_failure"),
    "gave_up",
)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What stands around a job, read in one transaction."""

    now: datetime  # Redis' clock
    status: str
    timeout: int | None
    seen_at: datetime | None
    parents: list[str]
    met: frozenset[str]  # the statuses of a parent that it waits for no more
    gave_up: str | None  # why no further attempt was to follow
    after_failure: Literal["cancel", "run"] | None  # what was chosen for it; None by a plain client
    ttl: int  # milliseconds; below 0 there is none
    paused: frozenset[str]  # queues
    suspended: bool
    scheduler: bool
    length: int  # of its queue
    execution: str | None
    registered: bool  # whether its worker's record is there


class Explainer:
    """Explains jobs."""

    def __init__(
        self, client: redis.asyncio.Redis, lookup: Lookup, fleet: Fleet, settings: Settings
    ) -> None:
        self._redis = client
        self._lookup = lookup
        self._fleet = fleet
        self._looks_apart = timedelta(seconds=settings.takeover_after * _LOOKS_APART)

    async def explain(self, job_id: str) -> Explanation:
        """Explain a job as it stands.

        Raises:
            UnknownJob, JobGone, UnreadableJob, RedisUnavailable.
        """
        workers = await self._fleet.workers()
        try:
            for _ in range(MOST_LOOKS):
                job = await self._lookup.job(job_id)
                facts = await self._facts(job)
                if facts.status == job.status:
                    break
            return await self._explanation(
                job, facts, [worker for worker in workers if job.queue in worker.queues]
            )
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error

    async def _facts(self, job: Job) -> _Facts:
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.time()
            pipeline.hmget(keys.job(job.id), *_FIELDS)
            pipeline.pttl(keys.job(job.id))
            pipeline.smembers(keys.PAUSED)
            pipeline.exists(keys.SUSPENDED)
            pipeline.exists(keys.scheduler_lock(job.queue))
            pipeline.llen(keys.queue(job.queue))
            pipeline.zrevrange(keys.executions(job.id), 0, 0)
            pipeline.exists(keys.worker(job.worker or ""))
            (seconds, micros), fields, ttl, *rest = await pipeline.execute()
        paused, suspended, scheduler, length, executions, registered = rest
        found = dict(zip(_FIELDS, fields, strict=True))
        timeout = _number(found["timeout"])
        after_failure = _AFTER_FAILURE.get(found["after_failure"])
        return _Facts(
            now=datetime.fromtimestamp(seconds + micros / 1_000_000, UTC),
            status=(found["status"] or b"created").decode(errors="replace"),
            timeout=timeout if timeout and timeout > 0 else None,
            seen_at=_date(found["last_heartbeat"]),
            parents=parents_of(found["dependency_ids"], found["dependency_id"]),
            met=_met(found["allow_dependency_failures"] == b"1", after_failure),
            gave_up=(found["gave_up"] or b"").decode(errors="replace") or None,
            after_failure=after_failure,
            ttl=ttl,
            paused=frozenset(name.decode(errors="replace") for name in paused),
            suspended=bool(suspended),
            scheduler=bool(scheduler),
            length=length,
            execution=executions[0].decode() if executions else None,
            registered=bool(registered),
        )

    async def _explanation(self, job: Job, facts: _Facts, workers: list[WorkerInfo]) -> Explanation:
        ended = job.status in ENDED
        paused = job.queue in facts.paused
        running = None
        if job.status == "started":
            # The record of a worker that is gone outlives it for some seconds.
            others = [worker for worker in workers if worker.name != job.worker]
            running = await self._running(job, facts, bool(others))
            workers = others if running.lost else workers
        ours = await self._ours(workers) if facts.paused or job.status == "deferred" else 0
        wait = None
        if job.status == "queued" and not facts.suspended and not paused:
            passed_over = facts.paused if ours else ()  # not by RQ's own workers
            wait = await likely_wait(self._redis, job, workers, facts.now, passed_over)
        explanation = Explanation(
            id=job.id,
            status=job.status,
            summary="",
            queue=job.queue,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            next_attempt=None if ended or job.attempt >= job.max_attempts else job.attempt + 1,
            run_at=job.run_at,
            position=job.position,
            likely_wait=wait,
            paused=paused,
            suspended=facts.suspended,
            workers=len(workers),
            scheduler=facts.scheduler,
            waits_for=await self._unmet(job, facts) if job.status == "deferred" else [],
            running=running,
            after_failure=facts.after_failure if job.status == "deferred" else None,
            expires_at=job.expires_at if job.started_at is None and not ended else None,
            key=job.key,
            duplicates=job.duplicates,
            error=_error(job),
            gave_up=facts.gave_up if job.status == "failed" else None,
            canceled_because=job.error.message if job.status == "canceled" and job.error else None,
            ended_at=job.ended_at if ended else None,
            kept_until=facts.now + timedelta(milliseconds=facts.ttl)
            if ended and facts.ttl >= 0
            else None,
        )
        explanation.summary = summary_of(
            explanation,
            Surroundings(
                facts.now,
                job.started_at,
                far_behind=facts.length > DEEPEST_POSITION,
                ours=ours,
            ),
        )
        return explanation

    async def _unmet(self, job: Job, facts: _Facts) -> list[Parent]:
        """List the parents that keep a job from being queued, as RQ judges them."""
        if not facts.parents:
            return []
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.smembers(keys.dependencies(job.id))
            for parent in facts.parents:
                pipeline.hget(keys.job(parent), "status")
            left, *found = await pipeline.execute(raise_on_error=False)
        waits_for = left if isinstance(left, set) else set()
        statuses = [
            each.decode(errors="replace") if isinstance(each, bytes) else None for each in found
        ]
        return [
            Parent(id=parent, status=status)
            for parent, status in zip(facts.parents, statuses, strict=True)
            # One that is out of the set has ended well, and may have expired since.
            if status not in facts.met and parent.encode() in waits_for
        ]

    async def _ours(self, workers: list[WorkerInfo]) -> int:
        """Count those of them that are ours: RQ's own do not tell their tasks."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for worker in workers:
                pipeline.hexists(keys.worker(worker.name), "tasks")
            return sum(await pipeline.execute())

    async def _running(self, job: Job, facts: _Facts, any_other: bool) -> RunningAttempt:
        expires = None
        if facts.execution is not None:
            held = Held(job.id, facts.execution, job.queue)
            score = await self._redis.zscore(held.registry, held.entry)
            expires = moment_of_score(score)
        lost = expires is None or expires <= facts.now or not facts.registered
        taken_over_by = expires + self._looks_apart if lost and expires and any_other else None
        limit = timedelta(seconds=facts.timeout) if facts.timeout else None
        return RunningAttempt(
            worker=job.worker,
            since=job.started_at,
            timeout=facts.timeout,
            ends_by=job.started_at + limit if job.started_at and limit else None,
            seen_at=facts.seen_at,
            lost=lost,
            # Whoever is late is no worker of ours, and keeps no such promise.
            taken_over_by=taken_over_by if taken_over_by and taken_over_by > facts.now else None,
        )


def _met(may_fail: bool, after_failure: str | None) -> frozenset[str]:
    if after_failure == "run":
        return ENDED
    return frozenset({"finished", "failed"}) if may_fail else frozenset({"finished"})


def _error(job: Job) -> JobError | None:
    """Give why it ended so; of a job that waits for another attempt, why the last one did."""
    if job.status == "canceled":
        return None
    error = job.error or (job.attempts[-1].error if job.attempts else None)
    return error.model_copy(update={"traceback": None}) if error else None


def _number(value: bytes | None) -> int | None:
    try:
        return int(value) if value else None
    except ValueError:
        return None


def _date(value: bytes | None) -> datetime | None:
    try:
        return moment_of_text(value)
    except ValueError:
        return None
