"""In which order the queues are looked at: RQ's dequeue strategies."""

import random

from rq.worker import DequeueStrategy


class QueueOrder:
    """By priority, as the queues were named; or round robin, or at random, where RQ is told so."""

    def __init__(self, strategy: DequeueStrategy | None, queues: int) -> None:
        self._strategy = strategy
        self._order = list(range(queues))

    def next(self) -> list[int] | None:
        """Give the order for the next claim; None stands for the order of priority."""
        if self._strategy == DequeueStrategy.RANDOM:
            random.shuffle(self._order)
        elif self._strategy != DequeueStrategy.ROUND_ROBIN:
            return None
        return self._order

    def claimed(self, queue: int) -> None:
        """Note that a job of this queue was claimed: in a round robin it comes last now."""
        if self._strategy == DequeueStrategy.ROUND_ROBIN:
            place = self._order.index(queue)
            self._order = self._order[place + 1 :] + self._order[: place + 1]
