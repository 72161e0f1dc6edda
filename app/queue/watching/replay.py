"""What has gone by in the stream, read again for those who come back with the id of their last."""

import asyncio
from collections.abc import Sequence
from typing import Any

from app.queue import keys
from app.queue.event import (
    NEWEST,
    Event,
    Position,
    job_of,
    position_of,
    position_of_first,
    read_event,
    written,
)
from app.queue.writer import BatchWriter

CHUNK = 500  # entries of one read
AT_ONCE = 4  # reads


class Replay:
    """Reads back, in chunks, few of them at once."""

    def __init__(self, reader: BatchWriter) -> None:
        self._reader = reader
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._asked: list[tuple[bytes, Position, asyncio.Future[list[Event]]]] = []
        self._passing: asyncio.Task[None] | None = None

    async def chunk(self, after: Position) -> list[Event]:
        """Give the events that follow a position; fewer than `CHUNK` where there are no more.

        Raises:
            RedisUnavailable.
        """
        return [read_event(*entry) for entry in await self._entries(after)]

    async def bounds(self) -> tuple[Position, Position]:
        """Give the positions of the oldest and of the newest entry that are kept.

        Raises:
            RedisUnavailable.
        """
        oldest, newest = await self._reader.ask(
            ("XRANGE", keys.EVENTS, "-", "+", "COUNT", 1), NEWEST
        )
        return position_of_first(oldest), position_of_first(newest)

    async def of_job(self, job_id: str, after: Position) -> list[Event]:
        """Give a job's events that follow a position.

        All that ask while the stream is read through wait for the next time, and share that one:
        after a restart a thousand come back at once.

        Raises:
            RedisUnavailable.
        """
        future: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()
        self._asked.append((job_id.encode(), after, future))
        if self._passing is None or self._passing.done():
            self._passing = asyncio.create_task(self._pass())
        return await future

    async def _pass(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                found = await self._read_through(asked)
            except Exception as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
                for *_, future in asked:
                    if not future.done():
                        future.set_exception(error)
                continue
            for job_id, after, future in asked:
                if not future.done():  # its caller may have gone away
                    future.set_result([e for e in found[job_id] if (e.position or after) > after])

    async def _read_through(self, asked: Sequence[tuple[bytes, Position, Any]]) -> Any:
        found: dict[bytes, list[Event]] = {job_id: [] for job_id, *_ in asked}
        position = min(after for _, after, _ in asked)
        entries: Sequence[Any] = [None] * CHUNK
        while len(entries) == CHUNK:
            entries = await self._entries(position)
            for entry_id, fields in entries:
                if (events := found.get(job_of(fields))) is not None:
                    events.append(read_event(entry_id, fields))
            if entries:
                position = position_of(entries[-1][0].decode())
        return found

    async def _entries(self, after: Position) -> Sequence[Any]:
        async with self._turn:
            start = f"({written(after)}"
            chunk = "XRANGE", keys.EVENTS, start, "+", "COUNT", CHUNK
            entries: Sequence[Any]
            [entries] = await self._reader.ask(chunk)
            return entries
