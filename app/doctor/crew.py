"""Who serves the queues: workers that live, workers that died, schedulers."""

from collections.abc import Iterator
from typing import Any

import redis

from app.catalogue import Catalogue
from app.doctor.finding import Finding, fail, ok, warn
from app.doctor.loaded import check_loaded
from app.doctor.roster import WorkerRecord, worker_records
from app.queue import keys
from app.settings import Settings

FUTURE = 2.0  # seconds that a heartbeat may be ahead of Redis' clock


def check_crew(
    client: redis.Redis, settings: Settings, catalogue: Catalogue | None
) -> Iterator[Finding]:
    """Look for live workers and schedulers of each queue.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    seconds, micros = client.time()
    now = seconds + micros / 1_000_000
    records = worker_records(client, now)
    alive = [record for record in records if not record.dead]
    yield _suspended(client)
    yield _paused(client, settings, alive)
    yield _served(client, settings, alive)
    yield _scheduled(client, settings)
    yield _dead(records)
    yield _clocks(alive)
    yield _lost(client, settings, now)
    if catalogue is not None:  # else no task is known here
        yield check_loaded(alive, catalogue)


def _suspended(client: redis.Redis) -> Finding:
    if client.exists(keys.SUSPENDED):
        return warn("suspended", "all workers are suspended, so no job begins", "rq resume")
    return ok("suspended", "workers are not suspended")


def _paused(client: redis.Redis, settings: Settings, alive: list[WorkerRecord]) -> Finding:
    members: Any = client.smembers(keys.PAUSED)
    paused = sorted(name.decode(errors="replace") for name in members)
    if not paused:
        return ok("paused-queues", "none")
    waiting = ", ".join(f"{name} ({client.llen(keys.queue(name))} wait)" for name in paused)
    stock = sum(worker.tasks is None and not worker.queues.isdisjoint(paused) for worker in alive)
    heedless = f"; not heeded by {_counted(stock, 'worker')} of RQ's own" if stock else ""
    remedies = (
        f"POST /queues/{name}/resume"
        if name in settings.queues
        else f"redis-cli SREM {keys.PAUSED} {name}"  # the API knows no such queue
        for name in paused
    )
    return warn(
        "paused-queues",
        f"since when is not known: {waiting}{heedless}",
        f"when they are to go on: {', '.join(remedies)}",
    )


def _served(client: redis.Redis, settings: Settings, alive: list[WorkerRecord]) -> Finding:
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


def _dead(records: list[WorkerRecord]) -> Finding:
    dead = [record.name for record in records if record.dead]
    if not dead:
        return ok("dead-workers", "none")
    shown = ", ".join(dead[:5]) + (", …" if len(dead) > 5 else "")
    return warn(
        "dead-workers",
        f"{len(dead)} registered and silent: {shown}",
        "look why they died, and start others; their records go by themselves",
    )


def _clocks(alive: list[WorkerRecord]) -> Finding:
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
