"""The one reader of the stream of events in a process, for all who listen: to a job, or by filter.

It reads on one connection, and only while somebody listens. Changes that leave no entry are found
besides, where a job is watched; see `app.queue.watching.looks`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from app.errors import RedisUnavailable
from app.queue import keys
from app.queue.event import NEWEST, Filter, Position, position_of_first, written
from app.queue.watching.listeners import Listeners
from app.queue.watching.looks import Looks
from app.queue.watching.replay import Replay
from app.queue.watching.subscription import Subscription
from app.queue.writer import BatchWriter

MOST_AT_ONCE = 1000  # entries of one read
BLOCK = 1.0  # seconds that one read waits for an entry; its client has to have more patience
GATHER = 0.005
"""Seconds between two reads while entries come fast: one for each would cost more than they do."""

LINGER = 5.0  # seconds that it reads on when nobody listens any more
AGAIN = 0.1  # seconds until it asks again where Redis is away
SILENCE = 5.0  # seconds without an answer after which entries may be gone unread

logger = logging.getLogger("task_api.events")


class Events:
    """Reads the stream, and hands each entry to those who listen for it."""

    def __init__(self, client: redis.asyncio.Redis, reader: BatchWriter) -> None:
        """Read the stream by one client, and ask all else by another.

        Args:
            client: its own, on which it blocks; waits longer than `BLOCK` for an answer.
            reader: shared with the look-ups.
        """
        client.set_response_callback("XREAD", _entries)  # type: ignore[arg-type]
        self.replay = Replay(reader)
        self._client = client
        self._reader = reader
        self._listeners = Listeners()
        self._looks = Looks(reader, self._listeners)
        self._reading: asyncio.Task[None] | None = None
        self._used = 0.0  # when somebody has begun or ended to listen, by the loop's clock
        self._interrupted = False
        self._closed = False

    @property
    def position(self) -> Position:
        """Up to where those who listen have been given all that is for them."""
        return self._listeners.position

    @asynccontextmanager
    async def of_job(self, job_id: str) -> AsyncIterator[Subscription]:
        """Listen to one job, whether there is one or not; once inside, no event is missed.

        Raises:
            RedisUnavailable.
        """
        await self._begin()
        key, subscription = job_id.encode(), self._new_subscription()
        self._listeners.add_to_job(key, subscription)
        try:
            yield subscription
        finally:
            self._listeners.drop_from_job(key, subscription)
            self._use()

    @asynccontextmanager
    async def that_fit(self, wanted: Filter) -> AsyncIterator[Subscription]:
        """Listen to the events of all jobs that fit; see `of_job`."""
        await self._begin()
        subscription = self._new_subscription()
        self._listeners.add_to_filter(wanted, subscription)
        try:
            yield subscription
        finally:
            self._listeners.drop_from_filter(wanted, subscription)
            self._use()

    def know(self, job_id: str, status: str, newest: Position) -> None:
        """Note how a watched job stood, and the newest event at that time."""
        self._listeners.jobs[job_id.encode()].know(status, newest)

    def close(self) -> None:
        """End all who listen, and all who would begin to."""
        self._closed = True
        self._listeners.end_all()

    async def aclose(self) -> None:
        """Close, and disconnect."""
        self.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._client.aclose()

    def _new_subscription(self) -> Subscription:
        subscription = Subscription()
        if self._closed:
            subscription.end()
        return subscription

    def _use(self) -> None:
        self._used = asyncio.get_running_loop().time()

    async def _begin(self) -> None:
        self._use()
        if self._closed or self._reading is not None:
            return
        [reply] = await self._reader.ask(NEWEST)
        if self._reading is None:  # nobody was quicker
            self._listeners.position = position_of_first(reply)
            self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        looking = asyncio.create_task(self._looks.run())
        clock = asyncio.get_running_loop().time
        answered = clock()
        try:
            while self._listeners or clock() - self._used < LINGER:
                answered = await self._read_once(answered)
        finally:
            self._reading = None  # who comes from here on begins anew
            looking.cancel()
            await self._client.connection_pool.disconnect(inuse_connections=False)

    async def _read_once(self, answered: float) -> float:
        """Read what there is; gives when Redis has answered last."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        try:
            entries = await self._next()
            if clock() - answered > SILENCE and await self._may_have_missed_some():
                # They come back with the id of their last, and are told.
                self._listeners.end_all()
        except (RedisError, RedisUnavailable, OSError) as error:
            if not self._interrupted:
                logger.warning("events.interrupted error=%s", error)
            self._interrupted = True
            await asyncio.sleep(AGAIN)
            return answered
        self._interrupted = False
        self._listeners.hand_out(entries)
        if entries and clock() - asked < GATHER and len(entries) < MOST_AT_ONCE:
            await asyncio.sleep(GATHER)
        return clock()

    async def _next(self) -> Sequence[Any]:
        block = int(BLOCK * 1000)
        after = written(self._listeners.position)
        entries: Sequence[Any] = await self._client.execute_command(
            *("XREAD", "COUNT", MOST_AT_ONCE, "BLOCK", block, "STREAMS", keys.EVENTS, after)
        )
        return entries

    async def _may_have_missed_some(self) -> bool:
        oldest, _ = await self.replay.bounds()
        return oldest > self._listeners.position


def _entries(reply: Any, **_: Any) -> Any:
    """Give the entries of the one stream that was asked for, as Redis has sent them."""
    if not reply:
        return ()
    return next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
