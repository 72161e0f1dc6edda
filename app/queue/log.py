"""A job's log, read for callers; `journal.py` is what writes it."""

import redis.asyncio
from pydantic import TypeAdapter, ValidationError
from redis.exceptions import RedisError

from app.errors import RedisUnavailable, UnknownJob, UnreadableJob
from app.models import JobLog, LogLine
from app.queue import keys
from app.queue.job_id import is_possible
from app.queue.lookup import missing
from app.queue.scripts import script

_LINES = TypeAdapter(list[LogLine])


class Logs:
    """Reads the logs of jobs."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._read = client.register_script(script("log"))

    async def log(self, job_id: str, after: int = 0) -> JobLog:
        """Give what a job has logged and printed, from a place on; empty where that is nothing.

        Args:
            job_id: the job's id.
            after: the place, as an earlier answer gave it in `next`.

        Raises:
            UnknownJob, JobGone, UnreadableJob, RedisUnavailable.
        """
        if not is_possible(job_id):
            raise UnknownJob(job_id=job_id)
        try:
            found = await self._read(keys=[keys.job(job_id), keys.log(job_id)], args=[after])
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        if not found:
            raise missing(job_id)
        total, first, *lines = found
        try:
            read = _LINES.validate_json(b"[%b]" % b",".join(lines))
        except ValidationError as error:
            raise UnreadableJob(job_id=job_id, part="log", reason=error) from error
        return JobLog(lines=read, truncated=after < first, next=total)
