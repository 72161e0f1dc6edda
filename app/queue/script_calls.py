"""What the scripts that change a job are called with: by the API, the dashboard and the worker."""

from collections.abc import Sequence
from typing import Any

from app.options import TEN_YEARS
from app.queue import keys
from app.queue.attempts import completed, counted, last_of, retries_given
from app.queue.hashes import Hash
from app.queue.held import Held
from app.queue.moment import text_of_now
from app.queue.new_callback import new_callback

ScriptCall = tuple[Sequence[str], Sequence[str | bytes | int]]
"""A script's keys, and its arguments."""


def retry_call(
    job_id: str, raw: Hash, results: Sequence[Any], callback_queue: str | None
) -> ScriptCall:
    """Call `retry.lua`: the job begins anew with the attempts that it was given at first.

    Args:
        job_id: the job's id.
        raw: its hash.
        results: its last result, as Redis gives a stream's entries.
        callback_queue: the queue of its callback; the job's own where left out.
    """
    queue = raw.get(b"origin", b"").decode()
    begun, _ = counted(raw)
    return (
        [
            keys.job(job_id),
            keys.queue(queue),
            keys.registry("failed", queue),
            keys.registry("canceled", queue),
            keys.QUEUES,
        ],
        [
            *(job_id, text_of_now(), retries_given(raw), begun),
            *(last_of(completed(raw, results), results), *_callback(job_id, raw, callback_queue)),
        ],
    )


def _callback(job_id: str, raw: Hash, queue: str | None) -> Sequence[str | bytes | int]:
    """Give the id and the fields of the callback that tells of the next end, if one is to."""
    url, task, origin = (
        raw.get(field, b"").decode(errors="replace")
        for field in (b"callback", b"description", b"origin")
    )
    if not url:
        return ()
    keep = max(_seconds(raw, field) for field in (b"result_ttl", b"failure_ttl"))
    callback = new_callback(job_id, task, queue or origin, url, keep)
    return (callback.id, *callback.fields)


def _seconds(raw: Hash, field: bytes) -> int:
    """Read for how long something is kept; 0 where that is left out, or is not what we write."""
    value = raw.get(field, b"")
    return min(int(value), TEN_YEARS) if value.isdigit() and len(value) < 20 else 0


def requeue_call(held: Held) -> ScriptCall:
    """Call `requeue.lua`: a worker lets a job go that it has begun, or only claimed."""
    return (
        [
            keys.job(held.job_id),
            keys.queue(held.queue),
            held.registry,
            keys.executions(held.job_id),
            keys.execution(held.job_id, held.execution_id),
            keys.QUEUES,
        ],
        [held.job_id, held.execution_id],
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
        [job_id, text_of_now()],
    )
