"""Changes that leave no entry in the stream, found by a look at the jobs that are watched.

A stock worker's own ends are such: a job that is stopped, or whose process died. So are the changes
by other programs: RQ's scheduler, its commands, a dashboard. A job that has not started in time is
canceled by the look that finds it: its own worker may be at another one, or there is none.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from app.errors import RedisUnavailable
from app.queue import keys
from app.queue.event import NEWEST, Position, position_of_first, seen_event
from app.queue.late import cancel_late, may_be_late
from app.queue.watching.listeners import Listeners
from app.queue.writer import BatchWriter, raise_first_error

EVERY = 0.25  # seconds between two looks
PATIENCE = 0.1  # seconds that the reader of the stream is waited for
_STEP = 0.005

_SHOWN = ("status", "description", "origin", "labels")
_TIMES = ("expires_at", "started_at")

logger = logging.getLogger("task_api.events")


class Looks:
    """Looks at all watched jobs by one call, four times a second."""

    def __init__(self, reader: BatchWriter, listeners: Listeners) -> None:
        self._reader = reader
        self._listeners = listeners

    async def run(self) -> None:
        """Look again and again, until this is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            if self._listeners.jobs:
                try:
                    await self._look()
                except RedisUnavailable:
                    logger.debug("looks.skipped")  # the reader of the stream says it aloud

    async def _look(self) -> None:
        watched = list(self._listeners.jobs)
        commands = [("HMGET", keys.job(job_id.decode()), *_SHOWN, *_TIMES) for job_id in watched]
        *found, newest = await self._reader.write([*commands, NEWEST])
        raise_first_error([newest])  # what fails of a job's is that job's trouble
        await self._cancel_late(watched, found)
        as_of = position_of_first(newest)
        if not await self._is_told(as_of):
            return  # what differs may be on its way; the next look sees it again
        for job_id, fields in zip(watched, found, strict=True):
            job = self._listeners.jobs.get(job_id)
            if job is None or isinstance(fields, Exception):
                continue
            event = seen_event(job_id.decode(), fields[: len(_SHOWN)])
            if job.differs(event.status, as_of):
                job.know(event.status, as_of)
                job.hand(event)

    async def _cancel_late(self, watched: Sequence[bytes], found: Sequence[Any]) -> None:
        """Cancel those that have not started in time; the stream tells the listeners."""
        late = [
            job_id.decode()
            for job_id, fields in zip(watched, found, strict=True)
            if not isinstance(fields, Exception) and _is_late(*fields)
        ]
        if late:
            await cancel_late(self._reader, late)

    async def _is_told(self, as_of: Position) -> bool:
        """Wait until the listeners have been given all that the stream held at that time."""
        for _ in range(round(PATIENCE / _STEP)):
            if self._listeners.position >= as_of:
                return True
            await asyncio.sleep(_STEP)
        return self._listeners.position >= as_of


def _is_late(status: bytes | None, *fields: bytes | None) -> bool:
    expires_at, started_at = fields[-len(_TIMES) :]
    if status is None or not expires_at:
        return False
    try:
        return may_be_late(status.decode(), float(expires_at), begun=bool(started_at))
    except ValueError:  # not what we write
        return False
