"""The frames of all jobs' events that fit a filter: from now on, or from an id on."""

from collections.abc import AsyncGenerator
from typing import NamedTuple

from app.api.frames import RETRY, LastId, event_frame, gap_frame, here, keep_alive
from app.api.job_events import KEEP_ALIVE
from app.queue.event import START, Event, Filter, Position
from app.queue.watching.events import Events
from app.queue.watching.replay import CHUNK, Replay


async def frames_of_all(
    events: Events, wanted: Filter, last: LastId | None
) -> AsyncGenerator[bytes, None]:
    """Give the frames of the events that fit, without end.

    Raises:
        RedisUnavailable.
    """
    position = None
    if last is not None:
        oldest, newest = await events.replay.bounds()
        position = min(last.position, newest)  # a later one is of another Redis than this
        is_gap = START < last.position < oldest
        yield RETRY + (gap_frame(last.position, oldest) if is_gap else here(position))
        # It does not listen yet: what comes while a slow caller reads the past would overflow.
        async for past in _past(events.replay, wanted, position):
            position = past.end
            yield past.frames
    async with events.that_fit(wanted) as heard:
        if position is None:
            position = events.position
            yield RETRY + here(position)
        else:
            async for past in _past(events.replay, wanted, position):
                position = past.end
                yield past.frames
        while (found := await heard.take(KEEP_ALIVE)) or not heard.ended:
            news = [each for each in found if each.position and each.position > position]
            yield _frames(news) or keep_alive(max(position, events.position))


class Past(NamedTuple):
    """A chunk of what has gone by: its end, and the frames of what fits."""

    end: Position
    frames: bytes


async def _past(replay: Replay, wanted: Filter, after: Position) -> AsyncGenerator[Past, None]:
    """Read what is there behind a position."""
    is_more = True
    while is_more:
        chunk = await replay.chunk(after)
        is_more = len(chunk) == CHUNK
        if chunk:
            after = chunk[-1].position or after
            fitting = [each for each in chunk if wanted.fits(each)]
            yield Past(after, _frames(fitting) + here(after))


def _frames(events: list[Event]) -> bytes:
    return b"".join(map(event_frame, events))
