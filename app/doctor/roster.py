"""The registered workers, as their records say it: which of them live, and what they serve."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from app.queue import keys
from app.queue.moment import moment_of_text

SILENT = 0.9
"""Of the time that a worker's record is kept: what renews it comes earlier, RQ's after 0.85."""

NEVER_EXPIRES = 480.0  # seconds; a record without an end is believed as long as RQ keeps its own


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A registered worker, as its record says it."""

    name: str
    queues: frozenset[str]
    age: float | None  # seconds since its last heartbeat, by Redis' clock; None: none is known
    dead: bool
    tasks: Mapping[str, str] | None  # see `Catalogue.digests`; None: it does not tell


def worker_records(client: redis.Redis, now: float) -> list[WorkerRecord]:
    """Read the records of all registered workers.

    Args:
        client: of Redis.
        now: Redis' clock, in epoch seconds.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    members: Any = client.smembers(keys.WORKERS)
    prefix = len(keys.worker(""))
    found = []
    for key in sorted(member.decode(errors="replace") for member in members):
        with client.pipeline(transaction=True) as pipeline:
            pipeline.hmget(key, "queues", "last_heartbeat", "death", "tasks")
            pipeline.pttl(key)
            fields, ttl = pipeline.execute(raise_on_error=False)
        queues, beat, death, tasks = fields if isinstance(fields, list) else (None,) * 4
        age = now - when if (when := _epoch(beat)) is not None else None
        kept = (age or 0.0) + ttl / 1000 if isinstance(ttl, int) and ttl >= 0 else NEVER_EXPIRES
        dead = age is None or bool(death) or age >= SILENT * kept
        served = frozenset((queues or b"").decode(errors="replace").split(","))
        found.append(WorkerRecord(key[prefix:], served, age, dead, _tasks(tasks)))
    return found


def _epoch(beat: bytes | None) -> float | None:
    try:
        moment = moment_of_text(beat)
    except ValueError:  # not what RQ writes
        return None
    return moment.timestamp() if moment else None


def _tasks(field: bytes | None) -> dict[str, str] | None:
    try:
        found = json.loads(field) if field else None
    except ValueError:  # not what our worker writes
        return None
    return found if isinstance(found, dict) else None
