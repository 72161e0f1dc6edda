"""RQ: `rq worker`, which forks for each job, and `SimpleWorker`, which does not."""

import os

from redis import Redis
from rq import Queue

from benchmarks.stamp import stamp


def noop(number: int) -> int:
    """Do nothing, but for the stamp of every tenth."""
    stamp(number)
    return number


def fill(count: int) -> None:
    """Enqueue jobs in bulk."""
    queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))
    queue.enqueue_many([Queue.prepare_data(noop, args=(number,)) for number in range(count)])
