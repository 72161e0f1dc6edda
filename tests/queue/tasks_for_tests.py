"""Tasks that workers of these tests import by their dotted path, as they do a user's."""

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rq import Retry, get_current_job

from app.context import attempt, job_id
from app.tasks import task


class Receipt(BaseModel):
    to: str
    job: str | None
    attempt: int


class Hopeless(Exception):
    """What no other attempt mends."""


@task
def send(to: str, at: datetime | None = None) -> Receipt:
    """Send it."""
    assert at is None or isinstance(at, datetime)
    return Receipt(to=to, job=job_id(), attempt=attempt())


@task
async def send_later(to: str) -> Receipt:
    """Send it from an event loop."""
    await asyncio.sleep(0)
    return Receipt(to=to, job=job_id(), attempt=attempt())


@task(queue="high", retries=2, backoff=0)
def flaky(fails: int) -> int:
    """Fail so many times."""
    if attempt() <= fails:
        raise ConnectionError(f"attempt {attempt()}")
    return attempt()


@task(retries=5, backoff=0, give_up_on=(Hopeless,))
def hopeless(after: int = 0) -> None:
    """Fail for good, after so many failures that are not."""
    if attempt() <= after:
        raise ConnectionError(f"attempt {attempt()}")
    raise Hopeless("not today")


@task(retries=3, backoff=0)
def returns(value: str) -> Any:
    """Return what JSON holds, or what it does not."""
    return {"nan": float("nan"), "object": object(), "plain": [1, {"a": None}]}[value]


@task
def outer(to: str) -> list[Any]:
    """Call another task."""
    return [send(to).to, type(send(to)).__name__]


@task
def wait(seconds: float, begun: Path) -> None:
    """Say that it has begun, and wait."""
    begun.touch()
    time.sleep(seconds)


@task
def touch(path: Path) -> None:
    """Leave a sign of having been run."""
    path.touch()


@task
def asks_again(times: int) -> str:
    """Ask RQ to be run again so many times."""
    job = get_current_job()
    if job is not None and (job.number_of_retries or 0) < times:
        return Retry(max=times + 1)  # type: ignore[return-value]
    return "done"
