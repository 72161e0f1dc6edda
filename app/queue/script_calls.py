"""What the scripts that change a job are called with, by the API and by the dashboard's buttons."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rq.utils import utcformat

from app.queue import keys
from app.queue.lookup import Hash, attempts

ScriptCall = tuple[Sequence[str], Sequence[str | int]]
"""A script's keys, and its arguments."""


def retry_call(job_id: str, raw: Hash) -> ScriptCall:
    """Call `retry.lua`: the job begins anew with the attempts that it was given at first."""
    queue = raw.get(b"origin", b"").decode()
    begun, most = attempts(raw)
    retries = most - 1 - int(raw.get(b"attempts_before") or 0)
    return (
        [
            keys.job(job_id),
            keys.queue(queue),
            keys.registry("failed", queue),
            keys.registry("canceled", queue),
            keys.QUEUES,
        ],
        [job_id, utcformat(datetime.now(UTC)), retries, begun],
    )


def delete_call(job_id: str, queue: str) -> ScriptCall:
    """Call `delete.lua`."""
    return (
        [
            keys.job(job_id),
            keys.queue(queue),
            keys.results(job_id),
            keys.dependents(job_id),
            keys.dependencies(job_id),
            keys.executions(job_id),
            *(keys.registry(status, queue) for status in keys.REGISTRIES),
        ],
        [job_id, utcformat(datetime.now(UTC))],
    )
