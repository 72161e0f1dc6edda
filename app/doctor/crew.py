"""Who serves the queues: workers that live, workers that died, schedulers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis
from rq.utils import utcparse

from app.doctor.finding import Finding, fail, ok, warn
from app.queue import keys
from app.settings import Settings

SILENT = 0.9
"""Of the time that a worker's record is kept: what renews it comes earlier, RQ's after 0.85."""

NEVER_EXPIRES = 480.0  # seconds; a record without an end is believed as long as RQ keeps its own
FUTURE = 2.0  # seconds that a heartbeat may be ahead of Redis' clock


@dataclass(frozen=True, slots=True)
class _Record:
    """A registered worker, as its record says it."""

    name: str
    queues: frozenset[str]
    age: float | None  # seconds since its last heartbeat, by Redis' clock; None: none is known
    dead: bool


def check_crew(client: redis.Redis, settings: Settings) -> Iterator[Finding]:
    """Look for live workers and schedulers of each queue.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    seconds, micros = client.time()
    now = seconds + micros / 1_000_000
    records = _records(client, now)
    alive = [record for record in records if not record.dead]
    yield _suspended(client)
    yield _served(client, settings, alive)
    yield _scheduled(client, settings)
    yield _dead(records)
    yield _clocks(alive)
    yield _lost(client, settings, now)


def _records(client: redis.Redis, now: float) -> list[_Record]:
    members: Any = client.smembers(keys.WORKERS)
    prefix = len(keys.worker(""))
    found = []
    for key in sorted(member.decode(errors="replace") for member in members):
        with client.pipeline(transaction=True) as pipeline:
            pipeline.hmget(key, "queues", "last_heartbeat", "death")
            pipeline.pttl(key)
            fields, ttl = pipeline.execute(raise_on_error=False)
        queues, beat, death = fields if isinstance(fields, list) else (None, None, None)
        age = now - when if (when := _epoch(beat)) is not None else None
        kept = (age or 0.0) + ttl / 1000 if isinstance(ttl, int) and ttl >= 0 else NEVER_EXPIRES
        dead = age is None or bool(death) or age >= SILENT * kept
        served = frozenset((queues or b"").decode(errors="replace").split(","))
        found.append(_Record(key[prefix:], served, age, dead))
    return found


def _epoch(beat: bytes | None) -> float | None:
    try:
        return utcparse(beat.decode()).timestamp() if beat else None
    except ValueError:  # not what RQ writes
        return None


def _suspended(client: redis.Redis) -> Finding:
    if client.exists(keys.SUSPENDED):
        return warn("suspended", "all workers are suspended, so no job begins", "rq resume")
    return ok("suspended", "workers are not suspended")


def _served(client: redis.Redis, settings: Settings, alive: list[_Record]) -> Finding:
    served = frozenset[str]().union(*(record.queues for record in alive))
    members: Any = client.smembers(keys.QUEUES)
    prefix = len(keys.queue(""))
    others = {key.decode(errors="replace")[prefix:] for key in members} - set(settings.queues)
    with_jobs = sorted(name for name in others if client.llen(keys.queue(name)))
    unserved = [name for name in (*settings.queues, *with_jobs) if name not in served]
    if unserved:
        return fail(
            "queues-served",
            f"no live worker serves {', '.join(unserved)}",
            f"python worker.py {' '.join(unserved)}",
        )
    return ok("queues-served", f"{_counted(len(alive), 'live worker')}, and each queue has one")


def _scheduled(client: redis.Redis, settings: Settings) -> Finding:
    names = [name for name in settings.queues if not client.exists(keys.scheduler_lock(name))]
    if not names:
        return ok("scheduler", "a scheduler is alive for each queue")
    waiting = sum(client.zcard(keys.registry("scheduled", name)) for name in names)
    return fail(
        "scheduler",
        f"no scheduler is alive for {', '.join(names)}: delayed jobs and retries do not run, "
        f"{waiting} wait now",
        "python worker.py has one always, rq worker with --with-scheduler",
    )


def _dead(records: list[_Record]) -> Finding:
    dead = [record.name for record in records if record.dead]
    if not dead:
        return ok("dead-workers", "none")
    shown = ", ".join(dead[:5]) + (", …" if len(dead) > 5 else "")
    return warn(
        "dead-workers",
        f"{len(dead)} registered and silent: {shown}",
        "look why they died, and start others; their records go by themselves",
    )


def _clocks(alive: list[_Record]) -> Finding:
    ahead = [record.name for record in alive if record.age is not None and record.age < -FUTURE]
    if ahead:
        return warn(
            "workers-clocks",
            f"heartbeats from the future: {', '.join(ahead[:5])}",
            "let the workers' machines take their time from NTP",
        )
    return ok("workers-clocks", "no heartbeat comes from the future")


def _lost(client: redis.Redis, settings: Settings, now: float) -> Finding:
    late = now - settings.takeover_after
    lost = {
        name: number
        for name in settings.queues
        if (number := client.zcount(keys.registry("started", name), 0, late))
    }
    if lost:
        listed = ", ".join(f"{number} in {name}" for name, number in lost.items())
        return fail(
            "lost-jobs",
            f"jobs of dead workers that nobody takes over: {listed}",
            f"python worker.py {' '.join(lost)}: it takes them over within "
            f"{settings.takeover_after} s; RQ's own workers look every 10 minutes",
        )
    return ok("lost-jobs", "no dead worker's job is left lying")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
