"""Celery: one prefork process, Redis as broker and as result backend."""

import os

from celery import Celery

from benchmarks.stamp import stamp

app = Celery("bench", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
# "64 or 128" is the advice for many short tasks, in Celery's chapter on optimizing.
app.conf.worker_prefetch_multiplier = 128


@app.task  # type: ignore[untyped-decorator]
def noop(number: int) -> int:
    """Do nothing, but for the stamp of every tenth."""
    stamp(number)
    return number


def fill(count: int) -> None:
    """Enqueue jobs one by one; Celery has no bulk."""
    for number in range(count):
        noop.delay(number)
