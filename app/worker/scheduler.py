"""Queues the jobs that are due: RQ's scheduler as one script, with RQ's own locks and records."""

import os
import socket
from collections.abc import Sequence
from uuid import uuid4

import redis

from app.queue import keys
from app.queue.moment import text_of_now
from app.queue.scripts import script

INTERVAL = 1.0  # seconds between looks, as RQ's has it; shorter where the next job is due earlier
LOCK_EXPIRES = 10  # seconds; RQ's has 61, and so long nobody would serve a dead one's queues
MOST_AT_ONCE = 1000  # jobs of one queue in one look


class Scheduler:
    """Holds the queues that no other scheduler serves, and moves what is due."""

    def __init__(self, connection: redis.Redis, queues: Sequence[str]) -> None:
        self._connection = connection
        self._name = uuid4().hex
        self._queues = list(queues)
        self._born = text_of_now()
        self._script = connection.register_script(script("schedule"))
        self._keys = [keys.scheduler(self._name), keys.QUEUES]
        for queue in queues:
            self._keys += [
                keys.scheduler_lock(queue),
                keys.registry("scheduled", queue),
                keys.queue(queue),
            ]

    def look(self) -> float:
        """Queue what is due; gives the seconds after which to look again."""
        now = text_of_now()
        fields: dict[str, str | int] = {
            "name": self._name,
            "hostname": socket.gethostname(),
            "pid": os.getpid(),
            "queues": ",".join(self._queues),
            "created_at": self._born,
            "last_heartbeat": now,
        }
        flat: list[str | int] = [part for field in fields.items() for part in field]
        _, _, nearest = self._script(
            keys=self._keys, args=[self._name, LOCK_EXPIRES, now, MOST_AT_ONCE, *flat]
        )
        seconds = float(nearest)
        return INTERVAL if seconds < 0 else min(INTERVAL, seconds + 0.001)

    def release(self) -> None:
        """Leave the queues to another scheduler."""
        held = [keys.scheduler_lock(queue) for queue in self._queues]
        owners = self._connection.mget(held)
        ours = [
            lock for lock, owner in zip(held, owners, strict=True) if owner == self._name.encode()
        ]
        self._connection.delete(keys.scheduler(self._name), *ours)
