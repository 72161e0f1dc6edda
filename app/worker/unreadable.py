"""A job whose record cannot be read, by us or by RQ: failed all the same, so that it is over."""

import contextlib
import logging
import time
from datetime import UTC, datetime

import redis
from redis.exceptions import ResponseError
from rq.defaults import DEFAULT_FAILURE_TTL
from rq.results import Result

from app.queue import keys
from app.queue.held import Held
from app.queue.moment import text_of
from app.queue.scripts import script

logger = logging.getLogger("task_api.worker")


def fail_unreadable(connection: redis.Redis, held: Held, error: BaseException) -> None:
    """Fail a job without reading it; were it put back, it would break the next worker too.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    reason = f"UnreadableJob: its record in Redis is broken: {type(error).__name__}: {error}"
    now = time.time()
    job_id = held.job_id
    with connection.pipeline() as pipeline:
        pipeline.zrem(held.registry, held.entry)
        pipeline.zrem(keys.executions(job_id), held.execution_id)
        pipeline.delete(keys.execution(job_id, held.execution_id))
        ended_at = text_of(datetime.fromtimestamp(now, UTC))
        pipeline.hset(keys.job(job_id), items=["status", "failed", "ended_at", ended_at])
        pipeline.expire(keys.job(job_id), DEFAULT_FAILURE_TTL)
        pipeline.expire(keys.log(job_id), DEFAULT_FAILURE_TTL)
        pipeline.eval(script("ended"), 1, keys.job(job_id), job_id, "failed", ended_at)
        pipeline.zadd(keys.registry("failed", held.queue), {job_id: int(now) + DEFAULT_FAILURE_TTL})
        failed = Result(job_id, Result.Type.FAILED, connection, exc_string=reason)
        failed.save(DEFAULT_FAILURE_TTL, pipeline)
        with contextlib.suppress(ResponseError):  # what is no hash cannot be marked
            pipeline.execute()
    logger.error("job.unreadable id=%s reason=%s", job_id, reason)
