"""The job that will send a callback: written together with the job whose end it is about.

It is RQ's dependent of that job, so whoever ends the one queues the other: our scripts, our worker,
or RQ's own. It runs `app.callbacks.delivery.deliver`, and is in none of the lists.
"""

import math
import time
from dataclasses import dataclass

from app.addresses import is_inner_by_name
from app.errors import InvalidOptions
from app.queue import keys
from app.queue.chance import chance
from app.queue.job_id import new_job_id
from app.queue.moment import text_of_now
from app.queue.wire import dumps
from app.queue.writer import Command
from app.settings import Settings

TASK = "task-api.callback"
"""The name of the task; it leaves no events."""

PATH = "app.callbacks.delivery.deliver"

SCHEDULE = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each further try: the example of Standard Webhooks 1.0, three days in all."""

JITTER = 0.1  # of a delay, that is added at the most
TIMEOUT = 60  # seconds of one try; the request itself has less, a look-up of a name has no bound
LEAST_KEPT = 86_400  # seconds that a message and its tries are kept once it is settled


@dataclass(frozen=True, slots=True)
class NewCallback:
    """A callback's job that is not written yet."""

    id: str
    job_id: str  # of the job that it is about
    queue: str
    url: str
    fields: tuple[str | bytes | int, ...]  # of its hash, name after value

    @property
    def commands(self) -> tuple[Command, ...]:
        """What writes it, in the transaction that writes the job."""
        return (
            ("HSET", keys.job(self.id), *self.fields),
            ("HSET", keys.job(self.job_id), "callback", self.url, "callbacks", self.id),
            ("ZADD", keys.registry("deferred", self.queue), math.floor(time.time()), self.id),
            ("SADD", keys.dependents(self.job_id), self.id),
            ("SADD", keys.dependencies(self.id), self.job_id),
        )

    @property
    def undo(self) -> tuple[Command, ...]:
        """What takes that back."""
        return (
            (
                "DEL",
                *(keys.job(self.id), keys.dependencies(self.id)),
                keys.dependents(self.job_id),
            ),
            ("ZREM", keys.registry("deferred", self.queue), self.id),
        )


def callback_url(url: str | None, settings: Settings) -> str | None:
    """Give the URL back, unless its host is an inner address by name.

    What a name resolves to is checked by whoever connects to it.

    Raises:
        InvalidOptions: it is one, and the setting does not allow it.
    """
    if url is None or settings.callback_allow_inner or not is_inner_by_name(url):
        return url
    message = (
        "Its address is not public; an operator allows such with TASK_API_CALLBACK_ALLOW_INNER=true"
    )
    wrong = {"loc": ["query", "callback"], "message": message, "type": "inner_address"}
    raise InvalidOptions(errors=[wrong])


def new_callback(job_id: str, task: str, queue: str, url: str, keep: int) -> NewCallback:
    """Make the job that will tell a URL how another job has ended; nothing is sent.

    Args:
        job_id: the job that it is about.
        task: the name of that job's task.
        queue: the callback's own queue.
        url: where it is told.
        keep: seconds that the job is kept once it has ended; the callback is kept no shorter.
    """
    callback_id = new_job_id()
    kept = max(keep, LEAST_KEPT)
    return NewCallback(
        callback_id,
        job_id,
        queue,
        url,
        (
            *("created_at", text_of_now()),
            *("data", dumps((PATH, None, (), {"job": job_id, "task": task, "url": url}))),
            *("origin", queue),
            *("description", TASK),
            *("timeout", TIMEOUT),
            *("result_ttl", kept),
            *("failure_ttl", kept),
            *("status", "deferred"),
            *("dependency_id", job_id),
            *("dependency_ids", f'["{job_id}"]'),
            *("allow_dependency_failures", 1),
            *("after_failure", "run"),
            *("retries_left", len(SCHEDULE)),
            *("retry_intervals", schedule()),
        ),
    )


def schedule() -> str:
    """Draw the delays before each further try, as RQ keeps them."""
    delays = [round(delay * (1 + JITTER * chance.random())) for delay in SCHEDULE]
    return f"[{', '.join(map(str, delays))}]"
