"""What waits: jobs that no worker of ours would run, and jobs that stand in no queue."""

import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import redis

from app.catalogue import Catalogue
from app.doctor.finding import Finding, fail, ok, warn
from app.errors import ForgedPickle
from app.queue import keys
from app.queue.moment import moment_of_text
from app.queue.wire import load_call
from app.settings import Settings

FIRST = 50  # jobs of each queue that are read
MOST_KEYS = 2000  # of jobs that are looked through for stuck ones
LONGEST_QUEUE = 10_000  # jobs; a longer one is not searched
TAKEN_BY_NOW = 60.0  # seconds; a job just taken stands in no queue either


def check_backlog(
    client: redis.Redis, settings: Settings, catalogue: Catalogue | None
) -> Iterator[Finding]:
    """Look at the first jobs of each queue, and at some of all.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    if catalogue is not None:  # else no task is known
        yield _registered(client, settings, catalogue)
    yield _stuck(client, settings)


def _registered(client: redis.Redis, settings: Settings, catalogue: Catalogue) -> Finding:
    unknown: dict[str, int] = {}
    looked = unreadable = 0
    for queue in settings.queues:
        listed: Any = client.lrange(keys.queue(queue), 0, FIRST - 1)
        for job_id in listed:
            data: Any = client.hget(keys.job(job_id.decode(errors="replace")), "data")
            if data is None:
                continue  # expired or deleted while it waited
            looked += 1
            try:
                path = load_call(data).path
            except (ForgedPickle, ValueError, zlib.error):
                unreadable += 1
                continue
            if catalogue.at(path) is None:
                unknown[path] = unknown.get(path, 0) + 1
    if unknown:
        listed = ", ".join(f"{path} ({number})" for path, number in islice(unknown.items(), 5))
        return fail(
            "waiting-jobs",
            f"jobs wait for functions that are no registered task: {listed}",
            "add their modules to TASK_API_TASK_MODULES, here and for the workers, or cancel them",
        )
    if unreadable:
        return fail(
            "waiting-jobs",
            f"{unreadable} waiting jobs are not what this service writes",
            "look who can write to Redis, and delete them; our workers fail them",
        )
    return ok("waiting-jobs", f"{looked} looked at, all of them for registered tasks")


def _stuck(client: redis.Redis, settings: Settings) -> Finding:
    seconds, _ = client.time()
    waiting = {
        queue: set(client.lrange(keys.queue(queue), 0, -1))
        for queue in settings.queues
        if client.llen(keys.queue(queue)) <= LONGEST_QUEUE
    }
    looked, stuck = 0, []
    prefix = keys.job("")
    for key in islice(client.scan_iter(f"{prefix}*", count=500), MOST_KEYS):
        job_id = key.decode(errors="replace")[len(prefix) :]
        if ":" in job_id:
            continue  # RQ keeps other things than jobs under names with a colon
        looked += 1
        queue = _queued_since(client, job_id, float(seconds) - TAKEN_BY_NOW)
        if queue in waiting and job_id.encode() not in waiting[queue]:
            stuck.append((queue, job_id))
    # What was put into a queue meanwhile is not stuck.
    stuck = [
        (queue, job_id)
        for queue, job_id in stuck
        if client.hget(keys.job(job_id), "status") == b"queued"
        and client.lpos(keys.queue(queue), job_id, maxlen=LONGEST_QUEUE) is None
    ]
    if stuck:
        queue, first = stuck[0]
        return warn(
            "stuck-jobs",
            f"{len(stuck)} of {looked} jobs looked at are queued and stand in no queue, as "
            f"{first}: a worker of RQ's own was killed as it took them",
            f"redis-cli RPUSH {keys.queue(queue)} {first}, and so for each; python worker.py does "
            "not lose them",
        )
    return ok("stuck-jobs", f"{looked} looked at, none is queued and in no queue")


def _queued_since(client: redis.Redis, job_id: str, before: float) -> str | None:
    """Give the queue of a job that has been queued since before this time; else None."""
    try:
        fields: Any = client.hmget(keys.job(job_id), "status", "origin", "enqueued_at")
        status, queue, since = fields
        moment = moment_of_text(since)
    except (redis.exceptions.ResponseError, ValueError):  # no record that RQ writes
        return None
    if status != b"queued" or moment is None or moment.timestamp() > before:
        return None
    return str((queue or b"").decode(errors="replace"))
