"""arq: asyncio, results kept for an hour, its default.

Version 0.25 is the last that accepts the redis-py of this project.
"""

import asyncio
import os
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings

from benchmarks.stamp import stamp

_redis = RedisSettings.from_dsn(os.environ["REDIS_URL"])


async def noop(_: Any, number: int) -> int:
    """Do nothing, but for the stamp of every tenth."""
    stamp(number)
    return number


class WorkerSettings:
    """What `arq` is given."""

    functions: ClassVar = [noop]
    redis_settings = _redis
    # It polls. Its defaults (10 jobs at once, a look at 100 each half second) hold it at some 240
    # jobs a second; these let it work without a pause.
    max_jobs = 100
    poll_delay = 0.01
    log_results = False


async def fill(count: int) -> None:
    """Enqueue jobs, a hundred at a time."""
    pool = await create_pool(_redis)
    for start in range(0, count, 100):
        numbers = range(start, min(start + 100, count))
        await asyncio.gather(*(pool.enqueue_job("noop", number) for number in numbers))
    await pool.close()
