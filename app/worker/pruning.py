"""Keeps the indexes that lists are made from free of jobs that are gone.

All workers share the work, and the script says when there is some: they only ask in turn.
"""

import time

import redis

from app.queue.pruning import prune_call
from app.queue.scripts import script
from app.tasks import declared_tasks

MOST = 1_000  # ids that are looked at in one call: a millisecond or two of Redis
SHORTEST_REST = 0.02  # seconds between two calls, where there is much to do
LONGEST_REST = 10.0  # seconds; how late a new index may be noticed
NAMED_APART = 60.0  # seconds between two calls that name the tasks


class Pruning:
    """Sweeps the indexes."""

    def __init__(self, connection: redis.Redis) -> None:
        self._script = connection.register_script(script("prune"))
        self._naming_due = 0.0  # on the monotonic clock

    def sweep(self) -> float:
        """Take some of what is gone out of the indexes; gives the seconds until it is due again.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        tasks: list[str] = []
        if time.monotonic() >= self._naming_due:
            tasks = [task.name for task in declared_tasks()]
            self._naming_due = time.monotonic() + NAMED_APART
        *_, wait = self._script(*prune_call(MOST, tasks))
        return min(max(float(wait), SHORTEST_REST), LONGEST_REST)
