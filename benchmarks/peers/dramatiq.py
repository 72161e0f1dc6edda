"""dramatiq: one process of eight threads, its default, and no results, which are off by default."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.stamp import stamp

broker = RedisBroker(url=os.environ["REDIS_URL"])
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(number: int) -> None:
    """Do nothing, but for the stamp of every tenth."""
    stamp(number)


def fill(count: int) -> None:
    """Enqueue jobs one by one; dramatiq has no bulk."""
    for number in range(count):
        noop.send(number)
