"""Tasks that wait until the job after theirs is claimed, and go on then in one way or another."""

import os
import signal
import time
from typing import Any

from redis import Redis

from app.context import job_id
from app.tasks import task

PATIENCE = 30.0  # seconds


@task
def look(url: str) -> dict[str, Any]:
    """Tell what Redis says of the worker, once it has claimed the next job."""
    return _look(url)


@task
def then_sleep(url: str, seconds: float) -> dict[str, Any]:
    """Take a while after that."""
    found = _look(url)
    time.sleep(seconds)
    return found


@task
def then_fail(url: str) -> None:
    """Fail after that."""
    _look(url)
    raise ValueError("as it was to")


@task
def then_die(url: str) -> None:
    """Be killed after that."""
    _look(url)
    os.kill(os.getpid(), signal.SIGKILL)


@task
def then_end_worker(url: str) -> None:
    """Tell the worker to end, and give it the time to hear of it."""
    _look(url)
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(0.03)


@task
def then_lose_connections(url: str) -> None:
    """Close the worker's connections to Redis after that."""
    _look(url)
    with Redis.from_url(url) as connection:
        connection.client_kill_filter(_type="normal", skipme=True)


def _look(url: str) -> dict[str, Any]:
    """Look at the worker's hash until it has claimed another job than the one that runs."""
    with Redis.from_url(url, decode_responses=True) as connection:
        worker = f"rq:worker:{connection.hget(f'rq:job:{job_id()}', 'worker_name')}"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = connection.hgetall(worker)
            if found.get("claimed", job_id()) != job_id():
                started = connection.zrange("rq:wip:default", 0, -1)
                return {**found, "started": sorted(each.partition(":")[0] for each in started)}
            time.sleep(0.001)
        return {}
