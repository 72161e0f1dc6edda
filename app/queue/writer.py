"""One writer for all requests in flight: what waits during a write goes out together after it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.errors import RedisUnavailable

Command = tuple[Any, ...]
"""One Redis command: its name and its arguments."""

Group = tuple[Sequence[Command], asyncio.Future[list[Any]]]
"""Commands that belong together, and what their caller waits for."""


class Execute(Protocol):
    """Runs commands as one transaction."""

    async def __call__(self, commands: Sequence[Command], /) -> list[Any]:
        """Give the replies; a command's own error stands in its place among them."""

    async def close(self) -> None:
        """Close the connection, if there is one."""


LARGEST_BATCH = 512  # groups of commands; bounds how long one transaction holds Redis


class BatchWriter:
    """Collects groups of commands, and sends all that wait as one transaction."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._waiting: list[Group] = []
        self._flushing: asyncio.Task[None] | None = None

    def write(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Send these commands, all or none of them; what is awaited are their replies.

        Raises:
            RedisUnavailable: Redis did not confirm them. Where the connection was lost after they
                were sent, they may have been done all the same.
        """
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return future

    async def ask(self, *commands: Command) -> list[Any]:
        """Send these commands, and give their replies.

        Raises:
            RedisUnavailable: see `write`; or one of them failed.
        """
        replies = await self.write(commands)
        raise_first_error(replies)
        return replies

    async def aclose(self) -> None:
        """Wait until all that was given to `write` has been answered, and close the connection."""
        if self._flushing is not None:
            await self._flushing
        await self._execute.close()

    async def _flush(self) -> None:
        while self._waiting:
            batch = self._waiting[:LARGEST_BATCH]
            del self._waiting[:LARGEST_BATCH]
            try:
                await self._send(batch)
            except ResponseError:
                # Redis refused the transaction as a whole for the fault of one: ask for each alone.
                for group in batch:
                    await self._send_alone(group)

    async def _send_alone(self, group: Group) -> None:
        try:
            await self._send([group])
        except ResponseError as error:
            _fail([group], error)

    async def _send(self, batch: list[Group]) -> None:
        try:
            replies = await self._execute([command for group, _ in batch for command in group])
        except ResponseError:
            raise
        except (TimeoutError, RedisTimeoutError) as error:
            # Redis hangs. Those that came meanwhile would wait as long again for the same answer.
            waiting, self._waiting = self._waiting, []
            _fail([*batch, *waiting], error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
            _fail(batch, error)
            return
        start = 0
        for group, future in batch:
            end = start + len(group)
            if not future.done():  # its caller may have gone away
                future.set_result(replies[start:end])
            start = end


def raise_first_error(replies: Sequence[Any]) -> None:
    """Raise the error of the first command that failed, where one did.

    Raises:
        RedisUnavailable: with that error as its reason.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise RedisUnavailable(reason=reply) from reply


def _fail(batch: list[Group], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            failure = RedisUnavailable(reason=str(error) or type(error).__name__)
            failure.__cause__ = error
            future.set_exception(failure)
