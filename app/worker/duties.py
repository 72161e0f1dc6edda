"""What a supervisor does again and again, and what becomes of that while Redis is away."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis.exceptions import ReadOnlyError, RedisError, ResponseError

logger = logging.getLogger("task_api.worker")

AGAIN = 0.5  # seconds between tries while Redis is away


@dataclass(slots=True)
class Duty:
    """Something to be done again and again."""

    action: Callable[[], float]  # gives the seconds until it is due again
    due: float = 0.0  # on the monotonic clock


class Duties:
    """Does each when it is due.

    Args:
        beating: the first of them, which finds out whether Redis is back.
        others: those behind it.
        lease: seconds that an execution lasts without being renewed.
        spare: is called where nobody can renew: Redis is away, or refuses the heartbeat.
        lost: is called where Redis is away, before that.
    """

    def __init__(
        self,
        beating: Duty,
        *others: Duty,
        lease: int,
        spare: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._beating = beating
        self._all = [beating, *others]
        self._lease = lease
        self._spare = spare
        self._lost = lost
        self.redis_away = False

    @property
    def rest(self) -> float:
        """How many seconds it is until one is due; less than none where one is overdue."""
        now = time.monotonic()
        return min(duty.due - now for duty in self._all)

    def do(self) -> None:
        """Do all that are due."""
        for duty in self._all:
            now = time.monotonic()
            if duty.due > now:
                continue
            try:
                duty.due = now + duty.action()
                self.redis_away = False
            except RedisError as error:
                if not isinstance(error, ResponseError) or isinstance(error, ReadOnlyError):
                    self.lose_redis(error)
                    return
                # Redis is there and refuses: a key of another type, or no memory left.
                logger.error("worker.refused_by_redis error=%s", error)  # noqa: TRY400
                duty.due = now + self._lease / 3
                if duty is self._beating:
                    self._spare()

    def lose_redis(self, error: RedisError) -> None:
        """Put all of them off for a moment: Redis is away."""
        if not self.redis_away:
            logger.warning("worker.waiting_for_redis error=%s", error)
        self.redis_away = True
        self._lost()
        self._beating.due = 0.0
        for duty in self._all:
            duty.due = max(duty.due, time.monotonic() + AGAIN)
        self._spare()
