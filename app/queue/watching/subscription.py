"""What one listener has not taken yet: a bounded line of events."""

import asyncio

from app.queue.event import Event

MOST_WAITING = 10_000
"""Events that wait for one listener. One with more is too slow, and is ended: it comes back with
the id of the last that it has had, and loses nothing."""


class Subscription:
    """The events for one listener, in their order. It belongs to one event loop."""

    def __init__(self) -> None:
        self.ended = False  # nothing more comes than what waits
        self._waiting: list[Event] = []
        self._came: asyncio.Future[None] | None = None

    def hand(self, event: Event) -> None:
        """Add an event, or end where too many wait."""
        if self.ended:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.ended = True
            return
        self._waiting.append(event)
        self._wake()

    def end(self) -> None:
        """End it: nothing is added any more."""
        self.ended = True
        self._wake()

    async def take(self, seconds: float) -> list[Event]:
        """Give what waits, once something does; nothing after so many seconds, or at the end."""
        if not self._waiting and not self.ended and seconds > 0:
            await self._next(seconds)
        events, self._waiting = self._waiting, []
        return events

    async def _next(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._came = loop.create_future()
        timer = loop.call_later(seconds, self._wake)
        try:
            await self._came
        finally:
            timer.cancel()
            self._came = None

    def _wake(self) -> None:
        if self._came is not None and not self._came.done():
            self._came.set_result(None)
