"""saq: asyncio, ten jobs at once, results kept for ten minutes; all of it the default."""

import asyncio
import os
from typing import Any

from saq import Queue

from benchmarks.stamp import stamp


async def noop(_: Any, *, number: int) -> int:
    """Do nothing, but for the stamp of every tenth."""
    stamp(number)
    return number


queue = Queue.from_url(os.environ["REDIS_URL"])
settings = {"queue": queue, "functions": [noop]}


async def fill(count: int) -> None:
    """Enqueue jobs, a hundred at a time."""
    await queue.connect()
    for start in range(0, count, 100):
        numbers = range(start, min(start + 100, count))
        await asyncio.gather(*(queue.enqueue("noop", number=number) for number in numbers))
    await queue.disconnect()
