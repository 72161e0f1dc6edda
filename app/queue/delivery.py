"""What the job that sends a callback reads and writes: the end that it tells of, and its tries.

The message is kept in the hash of the job that sends it, so all tries send the same bytes, and the
tries stand beside it: `body`, `tries` (a count), and `try:<number>`.
"""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pydantic_core
from rq.job import get_current_job

from app.callback import CallbackData, CallbackMessage, CallbackTry, short
from app.models import ENDED, JobError
from app.queue import keys
from app.queue.attempts import completed, counted
from app.queue.callback_secrets import callback_secrets
from app.queue.hashes import Hash
from app.queue.job_error import error_of, stopped_by
from app.queue.links import links_of
from app.queue.moment import moment_of_text
from app.queue.wire import load_result, load_traceback
from app.settings import Settings

MOST_TRIES = 50  # that are kept of one callback


class Delivery:
    """The callback that this process is sending."""

    def __init__(self, settings: Settings) -> None:
        job = get_current_job()
        assert job is not None, "a callback is sent by a job alone"
        self.id = job.id
        self._job = job
        self._redis: Any = job.connection
        self._key = keys.job(job.id)
        self._settings = settings

    def secrets(self) -> list[str]:
        """Give what it is to be signed with."""
        return callback_secrets(self._settings, self._redis)

    def body(self, job_id: str, task: str) -> bytes:
        """Give the message, made at the first try from the job as it stands, and then kept."""
        kept: bytes | None = self._redis.hget(self._key, "body")
        if kept is None:
            self._redis.hsetnx(self._key, "body", self._message(job_id, task).body())
            kept = self._redis.hget(self._key, "body")
        assert kept is not None
        return kept

    @property
    def next_delay(self) -> float:
        """Seconds to the next try as the schedule has it; 0 where none is left."""
        return self._job.get_retry_interval() if self._job.retries_left else 0

    def begin(self) -> CallbackTry:
        """Note that a try begins: should its worker die, this much is known."""
        number = self._redis.hincrby(self._key, "tries", 1)
        begun = CallbackTry(number=number, at=datetime.now(UTC))
        self.note(begun)
        if number > MOST_TRIES:
            self._redis.hdel(self._key, f"try:{number - MOST_TRIES}")
        return begun

    def note(self, tried: CallbackTry) -> None:
        """Keep what is known of a try."""
        self._redis.hset(self._key, f"try:{tried.number}", tried.model_dump_json())

    def _message(self, job_id: str, task: str) -> CallbackMessage:
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(keys.job(job_id))
            pipeline.xrevrange(keys.results(job_id), count=1)
            raw, results = pipeline.execute()
        if b"data" not in raw:
            gone = CallbackData(id=job_id, task=task, status=None, links=self._links(job_id))
            return CallbackMessage(type="job.gone", timestamp=datetime.now(UTC), data=gone)
        data = _data(job_id, task, completed(raw, results), self._links(job_id))
        _add_outcome(data, raw, results[0][1] if results else {})
        return CallbackMessage(
            type=f"job.{data.status}", timestamp=data.ended_at or datetime.now(UTC), data=data
        )

    def _links(self, job_id: str) -> dict[str, str]:
        links = links_of(job_id, self._settings)
        return {"self": links.self, "result": links.result}


def _data(job_id: str, task: str, raw: Hash, links: dict[str, str]) -> CallbackData:
    return CallbackData(
        id=job_id,
        task=task,
        status=raw.get(b"status", b"").decode(),
        labels=json.loads(raw.get(b"labels") or b"[]"),
        attempt=counted(raw)[0],
        created_at=moment_of_text(raw.get(b"created_at")),
        started_at=moment_of_text(raw.get(b"started_at")),
        ended_at=moment_of_text(raw.get(b"ended_at")),
        links=links,
    )


def _add_outcome(data: CallbackData, raw: Hash, entry: Hash) -> None:
    reason = raw.get(b"canceled_because")
    if data.status == "canceled" and reason:
        data.error = short(JobError(type="JobCanceled", message=reason.decode()))
    elif data.status not in {"canceled", "finished"} and b"exc_string" in entry:
        error = error_of(load_traceback(entry[b"exc_string"]))
        who = raw.get(b"stopped_by") if data.status == "stopped" else None
        data.error = short(stopped_by(error, who))
    if data.status not in ENDED:
        # It was retried meanwhile, by hand. That it had ended is true all the same, and the end
        # that is still to come has a callback of its own.
        data.status = "failed" if data.error else "canceled"
    if data.status == "finished" and (value := entry.get(b"return_value")) is not None:
        data.result_omitted = True
        with contextlib.suppress(Exception):  # a plain RQ client's may be anything
            data.result = pydantic_core.from_json(
                pydantic_core.to_json(load_result(value)), allow_inf_nan=False
            )
            data.result_omitted = False
