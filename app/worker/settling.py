"""Settles the jobs that wait in vain for others: whoever ended those told them nothing.

All workers share the work, and the script says when there is some: they only ask in turn.
"""

import logging
from collections.abc import Sequence

import redis

from app.queue import keys
from app.queue.moment import text_of_now
from app.queue.scripts import script

logger = logging.getLogger("task_api.worker")

MOST = 1_000  # records that one call reads, of jobs and of those that they wait for: 3 ms of Redis
SHORTEST_REST = 0.02  # seconds between two calls


class Settling:
    """Looks over the deferred jobs of some queues."""

    def __init__(self, connection: redis.Redis, queues: Sequence[str]) -> None:
        self._script = connection.register_script(script("settle"))
        self._keys = [keys.SETTLING, *(keys.registry("deferred", queue) for queue in queues)]

    def look(self) -> float:
        """Settle some of those that wait in vain; gives the seconds until more are due.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        wait, *settled = self._script(keys=self._keys, args=[text_of_now(), MOST])
        for job_id, status in zip(settled[::2], settled[1::2], strict=True):
            name = job_id.decode(errors="replace")
            logger.info("job.settled id=%s status=%s", name, status.decode())
        return max(float(wait), SHORTEST_REST)
