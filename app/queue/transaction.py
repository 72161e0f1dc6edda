"""One MULTI on a connection of its own, packed and read in C.

redis-py connects it, whatever the address asks for: TLS, a login, sentinels. What is sent and
read then goes past it, for its pipeline packs in Python and awaits each reply by itself.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import hiredis
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from app.queue.connection import ANSWER_TIMEOUT
from app.queue.writer import Command

_MULTI = hiredis.pack_command(("MULTI",))
_EXEC = hiredis.pack_command(("EXEC",))
_READ_BYTES = 262_144
_UNFINISHED = object()


class Transaction:
    """Runs commands, all or none, one transaction at a time."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._pool = client.connection_pool
        self._connection: Any = None
        self._replies: hiredis.Reader

    async def __call__(self, commands: Sequence[Command]) -> list[Any]:
        """Send the commands; gives their replies, a command's own error in its place.

        Raises:
            redis.exceptions.ResponseError: Redis refused them as a whole; nothing was done.
            redis.exceptions.RedisError, OSError, TimeoutError: it is not known what was done.
        """
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await self._exchange(commands)
        except ResponseError:
            raise
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection; the next call opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        if self._connection is None or self._connection._reader.at_eof():  # noqa: SLF001 - see above
            await self._open()
        reader, writer = self._connection._reader, self._connection._writer  # noqa: SLF001
        writer.write(b"".join([_MULTI, *map(hiredis.pack_command, commands), _EXEC]))
        unread = len(commands) + 2  # MULTI's own OK, QUEUED for each, and what EXEC answers
        refusal: Exception | None = None
        while unread:
            reply = self._replies.gets()
            if reply is not _UNFINISHED:
                unread -= 1
                if refusal is None and isinstance(reply, Exception):
                    refusal = reply  # EXEC only says that there was one
                continue
            data = await reader.read(_READ_BYTES)
            if not data:
                raise RedisConnectionError("Redis closed the connection")
            self._replies.feed(data)
        if isinstance(reply, Exception):
            raise ResponseError(str(refusal))
        replies: list[Any] = reply
        return replies

    async def _open(self) -> None:
        await self.close()
        connection: Any = self._pool.make_connection()
        await connection.connect()
        self._connection = connection
        self._replies = hiredis.Reader(notEnoughData=_UNFINISHED)


class Pipeline:
    """The same by redis-py's own pipeline, for a client that has no socket to write to."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def __call__(self, commands: Sequence[Command]) -> list[Any]:
        """Send the commands; gives their replies, a command's own error in its place."""
        async with self._client.pipeline(transaction=True) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
            return replies

    async def close(self) -> None:
        """Leave the client to whoever made it."""
