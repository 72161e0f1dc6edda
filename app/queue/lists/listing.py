"""Lists of jobs: newest first, filtered, a page at a time; a page costs the same among millions."""

import contextlib
import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import redis.asyncio
from redis.exceptions import RedisError

from app.catalogue import Catalogue
from app.errors import RedisUnavailable, UnreadableJob
from app.job_list import JobPage, JobPageLinks, JobQuery
from app.models import Job
from app.queue import keys
from app.queue.hashes import Hash
from app.queue.late import is_late
from app.queue.lists.candidates import (
    Candidates,
    Index,
    Lines,
    id_at,
    indexes_of,
    lines_of,
    place_at,
    read_lines,
    shortest_of,
    sorts_by_time,
)
from app.queue.lists.cursor import cursor_at, place_of
from app.queue.lookup import Lookup
from app.queue.moment import moment_of_score
from app.queue.pruning import prune_call
from app.queue.scripts import script
from app.settings import Settings

MOST_LOOKED_AT = 2_000  # jobs for one page; where few fit, it ends before it is full
AT_ONCE = 500  # jobs that one script call looks at: less than a millisecond of Redis
READ_AT_ONCE = 25  # jobs, which may be large
LARGE = 4 * 1_048_576  # bytes of JSON; a page that has passed them ends
PRUNED_APART = 1.0  # seconds at least between the sweeps that lists make on the way
SWEPT = 500  # ids in one


class Listing:
    """Lists jobs."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        lookup: Lookup,
        catalogue: Catalogue,
        settings: Settings,
    ) -> None:
        self._redis = client
        self._lookup = lookup
        self._catalogue = catalogue
        self._settings = settings
        self._match = client.register_script(script("match"))
        self._prune = client.register_script(script("prune"))
        self._prune_due = 0.0  # on the monotonic clock

    async def page(self, query: JobQuery) -> JobPage:
        """Give a page of the jobs that fit.

        It may hold fewer than asked for, even none, while there are more behind it: so many jobs
        are looked at for one page and no more, and it ends with the job that makes it large.

        Raises:
            InvalidCursor, RedisUnavailable.
        """
        place = place_of(query)
        try:
            candidates = await self._candidates(query)
            places, end = await self._search(candidates, query, place)
            jobs, cut = await self._fill(places)
            await self._sweep()
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        # One that has gone on since it was found is on no page of the status that it had.
        jobs = [job for job in jobs if not query.status or job.status in query.status]
        end = cut or end
        cursor = cursor_at(end, query) if end else None
        links = JobPageLinks(
            self=self._link(query, query.cursor), next=cursor and self._link(query, cursor)
        )
        return JobPage(jobs=jobs, next=cursor, links=links)

    async def _candidates(self, query: JobQuery) -> Candidates:
        indexes, lines = indexes_of(query), []
        if query.queue:
            lines = lines_of(query, [query.queue])
        elif query.status:
            known: set[bytes] = await self._redis.smembers(keys.QUEUES)  # type: ignore[assignment]
            names = {name.decode(errors="replace").removeprefix(keys.queue("")) for name in known}
            lines = lines_of(query, sorted(names | set(self._settings.queues)))
        index, in_lines = await shortest_of(self._redis, indexes, lines)
        if not in_lines:
            return Index(self._redis, index)
        return Lines(await self._places(await read_lines(self._redis, lines), query))

    async def _places(self, job_ids: Sequence[str], query: JobQuery) -> list[str]:
        foreign = [job_id for job_id in job_ids if not sorts_by_time(job_id)]
        places = [job_id for job_id in job_ids if sorts_by_time(job_id)]
        for start in range(0, len(foreign), AT_ONCE):
            some = foreign[start:][:AT_ONCE]
            fits = await self._fits(some, query)
            places += [place_at(job_id, at) for job_id, at in fits.items()]
        return places

    async def _search(
        self, candidates: Candidates, query: JobQuery, place: str | None
    ) -> tuple[list[str], str | None]:
        """Give the places of a page's jobs, and the one that the next page begins behind."""
        found: list[str] = []
        looked_at, size = 0, query.limit + 1
        while True:
            some = await candidates.behind(place, size)
            fits = await self._fits([id_at(each) for each in some], query)
            found += [each for each in some if id_at(each) in fits]
            if len(found) > query.limit:
                return found[: query.limit], found[query.limit - 1]
            if len(some) < size:
                return found, None
            place, looked_at, size = some[-1], looked_at + size, AT_ONCE
            if looked_at >= MOST_LOOKED_AT:
                return found, place

    async def _fits(self, job_ids: Sequence[str], query: JobQuery) -> dict[str, bytes]:
        """Give those of the jobs that fit, with what their hash says of when they were made."""
        if not job_ids:
            return {}
        filters = json.dumps(self._filters(query))
        answers: list[Any] = await self._match(keys=indexes_of(query), args=[filters, *job_ids])
        return {
            job_id: answer
            for job_id, answer in zip(job_ids, answers, strict=True)
            if not isinstance(answer, int)
        }

    def _filters(self, query: JobQuery) -> dict[str, Any]:
        named = {task.name: task.path for task in self._catalogue}
        filters = {
            "statuses": query.status,
            "queue": query.queue,
            "task": query.task,
            "path": named.get(query.task or ""),
            "labels": query.label,
        }
        return {name: value for name, value in filters.items() if value}

    async def _fill(self, places: Sequence[str]) -> tuple[list[Job], str | None]:
        """Read the jobs at these places; where they get large, the place of the last one read."""
        jobs, size = [], 0
        for start in range(0, len(places), READ_AT_ONCE):
            some = places[start:][:READ_AT_ONCE]
            read = await self._read([id_at(place) for place in some])
            for place, job in zip(some, read, strict=True):
                if job is None:
                    continue
                jobs.append(job)
                size += len(job.__pydantic_serializer__.to_json(job))
                if size > LARGE and place != places[-1]:
                    return jobs, place
        return jobs, None

    async def _read(self, job_ids: Sequence[str]) -> list[Job | None]:
        """Read jobs, and cancel those that are late; None stands for one that is gone."""
        jobs = await self._read_once(job_ids)
        late = [job.id for job in jobs if job and is_late(job)]
        if late:
            await self._lookup.cancel_late(late)
            return await self._read_once(job_ids)
        return jobs

    async def _read_once(self, job_ids: Sequence[str]) -> list[Job | None]:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for job_id in job_ids:
                pipeline.hgetall(keys.job(job_id))
                pipeline.xrevrange(keys.results(job_id), count=1)
            # A key of another type is one job's trouble.
            replies = await pipeline.execute(raise_on_error=False)
        jobs = [
            self._job(job_id, raw, results) if isinstance(raw, dict) and b"data" in raw else None
            for job_id, raw, results in zip(job_ids, replies[::2], replies[1::2], strict=True)
        ]
        await self._add_times([job for job in jobs if job and job.status == "scheduled"])
        return jobs

    def _job(self, job_id: str, raw: Hash, results: Any) -> Job:
        try:
            job = self._lookup.restore(job_id, raw, results)
        except UnreadableJob as error:
            return self._lookup.unreadable(job_id, raw.get(b"status"), raw.get(b"origin"), error)
        if job.error is not None:
            job.error.traceback = None
        return job

    async def _add_times(self, scheduled: Sequence[Job]) -> None:
        if not scheduled:
            return
        async with self._redis.pipeline(transaction=False) as pipeline:
            for job in scheduled:
                pipeline.zscore(keys.registry("scheduled", job.queue), job.id)
            due: list[float | None] = await pipeline.execute()
        for job, at in zip(scheduled, due, strict=True):
            job.run_at = moment_of_score(at)

    async def _sweep(self) -> None:
        """Take some of what is gone out of the indexes; stock workers do not."""
        if time.monotonic() < self._prune_due:
            return
        self._prune_due = time.monotonic() + PRUNED_APART
        with contextlib.suppress(RedisError):  # the page is there all the same
            await self._prune(*prune_call(SWEPT, (task.name for task in self._catalogue)))

    def _link(self, query: JobQuery, cursor: str | None) -> str:
        given = query.model_dump(exclude={"cursor"}, exclude_defaults=True)
        parameters = {**given, "cursor": cursor} if cursor else given
        address = f"{self._settings.root_path}/jobs"
        return f"{address}?{urlencode(parameters, doseq=True)}" if parameters else address
