"""Jobs and workers as the dashboard shows them, whatever stands in Redis: nothing raises or runs.

RQ's own classes unpickle what they read, and one broken job breaks the list that it stands in.
These read with our unpickler, and put the reason in the place of what cannot be shown.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import redis
from redis.exceptions import ResponseError
from rq import Worker
from rq.utils import get_call_string

from app.errors import ForgedPickle, JobGone, UnknownJob
from app.queue import keys
from app.queue.hashes import Hash
from app.queue.lookup import missing
from app.queue.moment import moment_of_text
from app.queue.wire import UnreadablePickle, load_call, load_result, load_traceback, loads

MOST_CHARACTERS = 1_000_000
"""How much of one value is shown: a few bytes of pickle can unfold to more than memory holds."""

DEEPEST = 50

_WIDEST_EXACT = 2**53  # beyond it a browser rounds whole numbers, so they are shown as text
_LONGEST_DECIMAL = 10_000  # bits; Python refuses to write longer ones out
_SUCCESSFUL = b"1"  # rq.results.Result.Type
_BROKEN = (ForgedPickle, ValueError, zlib.error, RecursionError, MemoryError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the last attempt left: a traceback, or a return value."""

    exc_string: str | None
    return_value: Any


class ShownJob:
    """The part of `rq.job.Job` that rq-dashboard asks for, to look at and not to change."""

    def __init__(self, job_id: str, raw: Hash, results: Sequence[Any], client: redis.Redis) -> None:
        self._client = client
        self._unreadable: list[str] = []
        self.id = job_id
        self.origin = _text(raw, b"origin")
        self.created_at = _date(raw, b"created_at")
        self.enqueued_at = _date(raw, b"enqueued_at")
        self.started_at = _date(raw, b"started_at")
        self.ended_at = _date(raw, b"ended_at")
        self._status = _text(raw, b"status")
        self._call = self._load("call", load_call, raw.get(b"data", b""))
        self._meta = self._load("meta", loads, raw.get(b"meta"))
        self._outcome = self._load_outcome(results[0][1]) if results else None
        self.description = " — ".join(filter(None, [_text(raw, b"description"), *self._unreadable]))

    @classmethod
    def fetch(cls, job_id: str, connection: redis.Redis, serializer: object = None) -> Self:  # noqa: ARG003 - RQ's signature
        """Read a job.

        Raises:
            UnknownJob, JobGone: there is none of this id, or none any more.
            redis.RedisError: Redis is away.
        """
        # RQ keeps other things than jobs under names with a colon.
        found = [] if ":" in job_id else cls.fetch_many([job_id], connection)
        if not found:
            raise missing(job_id)
        return found[0]

    @classmethod
    def fetch_many(cls, job_ids: Iterable[str], client: redis.Redis) -> list[Self]:
        """Read jobs in one round trip, leaving out those that have expired.

        Raises:
            redis.RedisError: Redis is away.
        """
        job_ids = list(job_ids)
        with client.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.hgetall(keys.job(job_id))
                pipeline.xrevrange(keys.results(job_id), count=1)
            # A key that is no hash, or no stream, is one job's trouble.
            replies = pipeline.execute(raise_on_error=False)
        return [
            cls(
                job_id,
                {} if isinstance(raw, ResponseError) else raw,
                () if isinstance(results, ResponseError) else results,
                client,
            )
            for job_id, raw, results in zip(job_ids, replies[::2], replies[1::2], strict=True)
            if isinstance(raw, ResponseError) or b"data" in raw
        ]

    @property
    def dependency_ids(self) -> list[bytes]:
        """The ids of the jobs that it waits for; as bytes, which rq-dashboard expects."""
        found: set[bytes] = self._client.smembers(keys.dependencies(self.id))  # type: ignore[assignment]
        return sorted(found)

    def get_status(self) -> str:
        """Say RQ's word for how it stands."""
        return self._status

    def get_meta(self) -> Any:
        """Give what the job noted about itself."""
        return {} if self._meta is None else self._meta

    def get_call_string(self) -> str:
        """Write the call as Python does, with its arguments shortened."""
        if isinstance(self._call, str):
            return self._call
        path, args, kwargs = self._call
        return str(get_call_string(path, args, kwargs, max_length=75))

    def latest_result(self) -> Outcome | None:
        """Give what the last attempt left; None before one has ended."""
        return self._outcome

    def return_value(self) -> Any:
        """Give the result of a job that has finished."""
        return self._outcome.return_value if self._outcome else None

    def _load_outcome(self, entry: Hash) -> Outcome:
        returned = entry.get(b"return_value") if entry.get(b"type") == _SUCCESSFUL else None
        return Outcome(
            exc_string=self._load("traceback", load_traceback, entry.get(b"exc_string")),
            return_value=self._load("result", load_result, returned),
        )

    def _load(self, part: str, load: Callable[[bytes], Any], raw: bytes | None) -> Any:
        if raw is None:
            return None
        try:
            return showable(load(raw))
        except _BROKEN as error:
            text = f"unreadable: its {part} ({error})"
            self._unreadable.append(text)
            return text


class ShownWorker(Worker):
    """A worker to look at."""

    def _set_connection(self, connection: redis.Redis) -> redis.Redis:
        # RQ's own makes the client wait for 415 s instead: right for a worker, not for a page.
        return connection

    def get_current_job(self) -> Any:
        """Read the job that it has in hand, if any."""
        job_id = self.get_current_job_id()
        if job_id is None:
            return None
        try:
            return ShownJob.fetch(job_id, self.connection)
        except (UnknownJob, JobGone):
            return ShownJob(job_id, {b"description": b"this job is gone"}, (), self.connection)


def count(client: redis.Redis, queue: str, status: str) -> int:
    """Count the jobs of a queue that wait in it, or stand in one of its registries."""
    if status == "queued":
        return int(client.llen(keys.queue(queue)))
    return int(client.zcard(keys.registry(status, queue)))


def ids(client: redis.Redis, queue: str, status: str, first: int = 0, last: int = -1) -> list[str]:
    """List the ids of such jobs from one rank to another, both included."""
    found: list[bytes]
    if status == "queued":
        found = client.lrange(keys.queue(queue), first, last)  # type: ignore[assignment]
    else:
        found = client.zrange(keys.registry(status, queue), first, last)  # type: ignore[assignment]
    # A started job is listed with the id of its attempt behind a colon, which no job id holds.
    return [member.decode(errors="replace").partition(":")[0] for member in found]


def showable(value: Any) -> Any:
    """Reduce what our unpickler gives to what JSON, and a browser, can hold.

    Raises:
        UnreadablePickle: it is too large, or too deep, or holds itself.
    """
    left = MOST_CHARACTERS

    def reduce(value: Any, depth: int) -> Any:
        nonlocal left
        left -= len(value) if isinstance(value, str | bytes | bytearray) else 1
        if left < 0 or depth > DEEPEST:
            raise UnreadablePickle("it is too large to show")
        match value:
            case None | bool() | str():
                return value
            case int():
                return value if abs(value) <= _WIDEST_EXACT else _long(value)
            case float():
                return value if math.isfinite(value) else str(value)
            case dict():
                return {str(reduce(k, depth)): reduce(v, depth + 1) for k, v in value.items()}
            case list() | tuple() | set() | frozenset():
                return [reduce(member, depth + 1) for member in value]
        return repr(value)  # bytes

    return reduce(value, 0)


def _long(value: int) -> str:
    bits = value.bit_length()
    return str(value) if bits <= _LONGEST_DECIMAL else f"a number of {bits} bits"


def _text(raw: Hash, field: bytes) -> str:
    return raw.get(field, b"").decode(errors="replace")


def _date(raw: Hash, field: bytes) -> datetime | None:
    try:
        return moment_of_text(raw.get(field))
    except ValueError:
        return None
