"""One event loop for all `async def` tasks of a horse."""

import asyncio
from collections.abc import Coroutine
from typing import Any

CLEANUP = 1.0  # seconds that a coroutine has to end once its job was interrupted


class Coroutines:
    """Runs coroutines one after another on a loop that is made once and lives as long as we do."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end; a time-out that interrupts the loop cancels it first."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        task = self._loop.create_task(coroutine)
        try:
            return self._loop.run_until_complete(task)
        except BaseException:
            if not task.done():  # the exception came from a signal, not from the coroutine
                task.cancel()
                self._loop.run_until_complete(asyncio.wait([task], timeout=CLEANUP))
            raise

    def close(self) -> None:
        """Close the loop."""
        if self._loop is not None:
            self._loop.close()
