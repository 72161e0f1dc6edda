"""Jobs that wait though their time to start in is over, canceled by whoever sees one.

Our workers look for them each second. Where none of ours lives, nobody else would do so before a
worker takes the job, and the caller would be shown a job that waits until a time that is past.
"""

import contextlib
import time
from collections.abc import Sequence

from app.errors import RedisUnavailable
from app.models import Job
from app.queue.moment import text_of_now
from app.queue.scripts import script
from app.queue.writer import BatchWriter

_WAITING = frozenset({"queued", "scheduled", "deferred"})


def is_late(job: Job) -> bool:
    """Say whether a job waits though its time to start in is over, by this machine's clock."""
    if job.expires_at is None:
        return False
    return may_be_late(job.status, job.expires_at.timestamp(), begun=job.started_at is not None)


def may_be_late(status: str | None, expires_at: float, *, begun: bool) -> bool:
    """Say the same of a job's fields; an attempt after its first is not held to the time."""
    return status in _WAITING and not begun and expires_at <= time.time()


async def cancel_late(writer: BatchWriter, job_ids: Sequence[str]) -> None:
    """Cancel those of these jobs that are late by Redis' clock, and that no worker has just taken.

    Where Redis refuses that, they stay as they are, and whoever has asked for them is shown that.
    """
    with contextlib.suppress(RedisUnavailable):
        await writer.ask(("EVAL", script("late"), 0, text_of_now(), *job_ids))
