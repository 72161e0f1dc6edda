"""Events as jobs leave them in Redis, and what those that come by a stream say."""

from app.queue import keys
from tests.api.watching.requests import ask


def post(served, path, **arguments):
    _, job, _ = ask(served, "POST", f"/tasks/{path}", arguments)
    return job


def note(redis_client, job, status, **fields):
    """Add an event as a change does."""
    entry = {"job": job, "status": status, "task": "add", "queue": "default", **fields}
    return redis_client.xadd(keys.EVENTS, entry).decode()


def statuses(events):
    return [frame.data["status"] for frame in events]


def jobs(events):
    return [frame.data["job"] for frame in events]
