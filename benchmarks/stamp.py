"""The only work of a no-op job: every tenth writes down the time.

So a worker's rate is read off its own jobs, in the same way for every library, whatever it
prefetches and however long it takes to start.
"""

import os
import time
from pathlib import Path

EVERY = 10


def stamp(number: int) -> None:
    """Write the time if it is this job's turn; `number` counts the jobs from nought."""
    if number % EVERY == 0:
        with Path(os.environ["BENCH_STAMPS"]).open("a") as stamps:
            stamps.write(f"{time.monotonic()}\n")  # the same clock in every process of a machine


def read_stamps(path: Path) -> list[float]:
    """Give the times written so far, in order."""
    if not path.exists():
        return []
    *lines, _ = path.read_text().split("\n")  # the last may not be written to its end yet
    return sorted(map(float, lines))
