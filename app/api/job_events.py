"""The frames of one job's stream: the job, each change, and the job again at its end."""

from collections.abc import AsyncGenerator

from app.api.frames import END, JOB, RETRY, LastId, frame_in_job, gap_frame, job_frame, keep_alive
from app.api.service import Service
from app.models import ENDED
from app.queue.event import START
from app.queue.lookup import Seen

KEEP_ALIVE = 15.0  # seconds without a frame after which a comment is sent


async def frames_of_job(
    service: Service, job_id: str, last: LastId | None
) -> AsyncGenerator[bytes, None]:
    """Give a job's frames until it has ended; nothing at all where the caller has had the end.

    Raises:
        UnknownJob, JobGone, UnreadableJob, RedisUnavailable.
    """
    events = service.events
    # It listens first: a change between the two would be seen by nobody.
    async with events.of_job(job_id) as heard:
        seen = await service.lookup.seen(job_id)
        if last is not None and last.is_end and seen.job.status in ENDED:
            return
        events.know(job_id, seen.job.status, seen.newest)
        yield RETRY + await _beginning(service, seen, last)
        told = position = seen.newest
        while seen.job.status not in ENDED:
            found = await heard.take(KEEP_ALIVE)
            if heard.ended and not found:
                return
            # Some may be part of what was looked up already; a change without an entry never is.
            news = [each for each in found if each.position is None or each.position > told]
            position = max([position, *(each.position for each in news if each.position)])
            yield b"".join(map(frame_in_job, news)) or keep_alive(max(position, events.position))
            if last_one := next((each for each in news if each.is_last), None):
                seen = await service.waiting.look_again(seen, last_one)
        yield job_frame(END, seen.job, position)


async def _beginning(service: Service, seen: Seen, last: LastId | None) -> bytes:
    """Write the job as it stands, or to one who comes back what happened meanwhile."""
    gap = b""
    if last is not None:
        oldest, _ = await service.events.replay.bounds()
        if last.position == START or oldest <= last.position:
            missed = await service.events.replay.of_job(seen.job.id, last.position)
            return b"".join(
                frame_in_job(each) for each in missed if (each.position or START) <= seen.newest
            )
        gap = gap_frame(last.position, oldest)
    await service.lookup.add_place(seen.job)
    return gap + job_frame(JOB, seen.job, seen.newest)
