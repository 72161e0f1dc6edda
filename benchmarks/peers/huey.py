"""huey: one worker thread, blocking pops, results kept until they are read; all of it the default.

More threads were tried (4 and 8): no faster for jobs that do nothing, for more CPU.
"""

import os

from huey import RedisHuey

from benchmarks.stamp import stamp

huey = RedisHuey("bench", url=os.environ["REDIS_URL"])


@huey.task()  # type: ignore[untyped-decorator]
def noop(number: int) -> int:
    """Do nothing, but for the stamp of every tenth."""
    stamp(number)
    return number


def fill(count: int) -> None:
    """Enqueue jobs one by one; huey has no bulk."""
    for number in range(count):
        noop(number)
