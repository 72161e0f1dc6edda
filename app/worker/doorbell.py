"""Waiting for a job on any queue without polling, and without taking it.

`BLMOVE q q LEFT LEFT` returns once the queue has a job and leaves the list as it was. One
connection for each queue and one `select` over all of them wait on every queue at once; what is
done then is for the claim to decide, which looks at the queues in their order.

For a paused queue it would ring for ever, so it does not wait there. Where it waited already when
that was paused, it may ring once.
"""

import select
from collections.abc import Callable, Collection, Sequence

from redis.connection import Connection

from app.queue import keys
from app.queue.connection import fileno

LONGEST_WAIT = 60  # seconds that Redis lets us wait; so that a dead connection is found
ANSWERS_WITHIN = 5.0  # seconds more, for its answer that there was nothing


class Doorbell:
    """Rings when a queue has a job, whoever put it there."""

    def __init__(self, connect: Callable[[], Connection], queues: Sequence[str]) -> None:
        self._connect = connect
        self._queues = queues
        self._waiting: dict[int, Connection] = {}
        self._idle: list[tuple[str, Connection]] = []
        self._queue_at: dict[int, str] = {}

    def wait(self, wake: int, seconds: float | None, paused: Collection[str] = ()) -> None:
        """Return when a queue has a job, `wake` is readable, or the time is over.

        Args:
            wake: a descriptor that somebody may make readable.
            seconds: how long to wait at the most; None: as long as it takes.
            paused: queues whose jobs are not waited for.

        Raises:
            redis.exceptions.RedisError: a connection was lost; call `close` and wait again.
        """
        self._arm(paused)
        most = LONGEST_WAIT + ANSWERS_WITHIN
        limit = most if seconds is None else min(most, seconds)
        ready, _, _ = select.select([*self._waiting, wake], [], [], limit)
        if not ready and limit == most:
            self.close()  # not even Redis' own time-outs came: the connections may be dead
        for descriptor in ready:
            if descriptor != wake:
                connection = self._waiting.pop(descriptor)
                connection.read_response()
                self._idle.append((self._queue_at[descriptor], connection))

    def close(self) -> None:
        """Give up all connections; the next wait makes new ones."""
        for connection in [*self._waiting.values(), *(each for _, each in self._idle)]:
            connection.disconnect()
        self._waiting.clear()
        self._idle.clear()
        self._queue_at.clear()

    def _arm(self, paused: Collection[str] = ()) -> None:
        if not self._queue_at:
            for queue in self._queues:
                connection = self._connect()
                self._queue_at[fileno(connection)] = queue
                self._idle.append((queue, connection))
        for queue, connection in [each for each in self._idle if each[0] not in paused]:
            key = keys.queue(queue)
            connection.send_command("BLMOVE", key, key, "LEFT", "LEFT", LONGEST_WAIT)
            self._idle.remove((queue, connection))
            self._waiting[fileno(connection)] = connection
