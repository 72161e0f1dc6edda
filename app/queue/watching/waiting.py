"""Waiting for a job's end: its event is pushed, nobody polls."""

import asyncio
from datetime import UTC, datetime

from app.errors import JobGone, RedisUnavailable, UnknownJob
from app.models import ENDED, Job
from app.queue.event import Event
from app.queue.lookup import Lookup, Seen
from app.queue.watching.events import Events
from app.queue.watching.subscription import Subscription

CLOCKS_APART = 10_000  # milliseconds by which ours may be ahead of Redis'


class Waiting:
    """Waits for the ends of jobs, for any number of callers at once."""

    def __init__(self, events: Events, lookup: Lookup) -> None:
        self._events = events
        self._lookup = lookup

    async def wait(self, job_id: str, seconds: float) -> Job:
        """Give a job once it has ended; as it stands after so many seconds, or at our own end.

        Raises:
            UnknownJob, JobGone, UnreadableJob, RedisUnavailable.
        """
        if (job := await self._ended(job_id, seconds)) is not None:
            return job
        return await self._lookup.job(job_id)

    async def wait_for_new(self, job: Job, seconds: float) -> Job:
        """Give a job that was enqueued just now, once it has ended; see `wait`.

        Nothing is lost where Redis goes away meanwhile: the job was confirmed, and is given as it
        was then.

        Raises:
            JobGone, UnreadableJob.
        """
        try:
            try:
                return await self.wait(job.id, seconds)
            except JobGone:
                return await self._from_events(job)
        except RedisUnavailable:
            return job

    async def _from_events(self, job: Job) -> Job:
        """Give a job that is kept for no time, and had ended before we listened.

        Raises:
            JobGone: its events do not say how it has ended.
            RedisUnavailable.
        """
        since = int(job.created_at.timestamp() * 1000) - CLOCKS_APART, 0
        events = await self._events.replay.of_job(job.id, since)
        ends = [event for event in events if event.is_last]
        if not ends or ends[-1].is_gone:
            raise JobGone(job_id=job.id)
        return _as_told(job, ends[-1])

    async def _ended(self, job_id: str, seconds: float) -> Job | None:
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        # It listens first: an end between the two would be seen by nobody.
        async with self._events.of_job(job_id) as heard:
            seen = await self._lookup.seen(job_id)
            self._events.know(job_id, seen.job.status, seen.newest)
            while seen.job.status not in ENDED:
                end = await _next_end(heard, until - clock())
                if end is None:
                    return None
                seen = await self.look_again(seen, end)
        return seen.job

    async def look_again(self, seen: Seen, end: Event) -> Seen:
        """Give a job as it stands after an event that says that it has ended, or is gone.

        Raises:
            JobGone, UnreadableJob, RedisUnavailable.
        """
        try:
            return await self._lookup.seen(end.job)
        except (JobGone, UnknownJob):
            if end.is_gone:
                raise
            # One whose result is kept for no time is gone by then.
            return Seen(_as_told(seen.job, end), seen.newest)


def _as_told(job: Job, end: Event) -> Job:
    ended_at = datetime.fromtimestamp(end.at, UTC)
    return job.model_copy(update={"status": end.status, "ended_at": ended_at, "position": None})


async def _next_end(heard: Subscription, seconds: float) -> Event | None:
    """Give the next event that says that the job has ended, or is gone; None if none comes."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while events := await heard.take(until - clock()):
        for event in events:
            if event.is_last:
                return event
    return None
