"""taskiq: the stream broker and the result backend of taskiq-redis' own first example."""

import asyncio
import os

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.stamp import stamp

_url = os.environ["REDIS_URL"]
broker = RedisStreamBroker(url=_url).with_result_backend(
    # An hour, as its documentation advises: results that nobody reads stay for ever by default.
    RedisAsyncResultBackend(redis_url=_url, result_ex_time=3600)
)


@broker.task
async def noop(number: int) -> int:
    """Do nothing, but for the stamp of every tenth."""
    stamp(number)
    return number


async def fill(count: int) -> None:
    """Enqueue jobs, a hundred at a time."""
    await broker.startup()
    for start in range(0, count, 100):
        numbers = range(start, min(start + 100, count))
        await asyncio.gather(*(noop.kiq(number) for number in numbers))
    await broker.shutdown()
