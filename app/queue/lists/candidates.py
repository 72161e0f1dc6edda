"""Where a list looks for its jobs: an index, or the lines that RQ keeps; whichever is the shortest.

Both are asked for what lies behind a place. A place is a text that sorts by the job's time: the id
of a job of ours does so by itself; that of a plain RQ client's gets its time put before it.
"""

import bisect
import re
from collections.abc import Sequence
from typing import Protocol

import redis.asyncio

from app.job_list import JobQuery
from app.queue import keys
from app.queue.moment import moment_of_text

SHORT = 5_000  # ids that RQ's lines may hold together to be read whole, and sorted

_SORTS_BY_TIME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_LISTED = re.compile(r"[A-Za-z0-9_-]{1,150}")  # RQ's ids; others are addressed by no route
_FOREIGN = "-~"  # between the time and the id; it sorts behind any digit


class Candidates(Protocol):
    """Places, the newest first."""

    async def behind(self, place: str | None, most: int) -> list[str]:
        """Give the next ones, fewer than asked for only where there are no more."""
        ...


class Index:
    """The ids of an index, in the order of Redis."""

    def __init__(self, client: redis.asyncio.Redis, name: str) -> None:
        self._redis = client
        self._name = name

    async def behind(self, place: str | None, most: int) -> list[str]:
        """Read them; it costs the same however many there are."""
        start = f"({place}" if place else "+"
        found: list[bytes] = await self._redis.zrange(  # type: ignore[assignment]
            self._name, start, "-", desc=True, bylex=True, offset=0, num=most
        )
        return [member.decode() for member in found]


class Lines:
    """The ids of RQ's own lists and registries."""

    def __init__(self, places: Sequence[str]) -> None:
        self._places = sorted(set(places))

    async def behind(self, place: str | None, most: int) -> list[str]:
        """Cut them from what was read."""
        end = bisect.bisect_left(self._places, place) if place else len(self._places)
        return self._places[max(0, end - most) : end][::-1]


def indexes_of(query: JobQuery) -> list[str]:
    """Name the indexes in each of which all the wanted jobs stand."""
    of_task = [keys.jobs_of_task(query.task)] if query.task else []
    return [keys.JOBS, *of_task, *map(keys.jobs_with_label, query.label)]


def lines_of(query: JobQuery, queues: Sequence[str]) -> list[str]:
    """Name RQ's lines in one of which each wanted job stands; a stopped one is among the failed."""
    statuses: Sequence[str] = query.status or ("queued", *keys.REGISTRIES)
    registries = {"failed" if status == "stopped" else status for status in statuses} - {"queued"}
    waiting = [keys.queue(queue) for queue in queues] if "queued" in statuses else []
    return waiting + [keys.registry(each, queue) for queue in queues for each in sorted(registries)]


async def shortest_of(
    client: redis.asyncio.Redis, indexes: Sequence[str], lines: Sequence[str]
) -> tuple[str, bool]:
    """Name the shortest of the indexes, and say whether the lines together are shorter still."""
    prefix = keys.queue("")
    async with client.pipeline(transaction=False) as pipeline:
        for index in indexes:
            pipeline.zcard(index)
        for line in lines:
            pipeline.llen(line) if line.startswith(prefix) else pipeline.zcard(line)
        sizes: list[int] = await pipeline.execute()
    size, index = min(zip(sizes, indexes, strict=False))
    in_lines = sum(sizes[len(indexes) :])
    return index, bool(lines) and in_lines <= SHORT and in_lines < size


async def read_lines(client: redis.asyncio.Redis, lines: Sequence[str]) -> list[str]:
    """Give all ids of these lines, as they stand in one moment."""
    prefix = keys.queue("")
    async with client.pipeline(transaction=True) as pipeline:
        for line in lines:
            if line.startswith(prefix):
                pipeline.lrange(line, 0, -1)
            else:
                pipeline.zrange(line, 0, -1)
        found: list[list[bytes]] = await pipeline.execute()
    # A started job stands there with the id of its attempt behind a colon.
    ids = (member.decode(errors="replace").partition(":")[0] for line in found for member in line)
    return [job_id for job_id in ids if _LISTED.fullmatch(job_id)]


def sorts_by_time(job_id: str) -> bool:
    """Say whether an id is its own place."""
    return _SORTS_BY_TIME.fullmatch(job_id) is not None


def place_at(job_id: str, created_at: bytes) -> str:
    """Give the place of a job whose id does not tell its time."""
    try:
        moment = moment_of_text(created_at)
    except ValueError:
        moment = None
    milliseconds = max(0, int(moment.timestamp() * 1000)) if moment else 0
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}{_FOREIGN}{job_id}"


def id_at(place: str) -> str:
    """Give the id of the job at a place."""
    _, found, job_id = place.partition(_FOREIGN)
    return job_id if found else place
