"""One round trip a job: end the last one and claim the next."""

import logging
import os
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Protocol

import hiredis
from redis.connection import Connection
from redis.exceptions import NoScriptError, RedisError
from rq.utils import utcformat

from app.queue import keys
from app.queue.scripts import script
from app.queue.wire import dumps
from app.worker.job import TaskJob

AGAIN = 0.2  # seconds between tries while Redis is away

logger = logging.getLogger("task_api.worker")

Fields = dict[bytes, bytes]
Answer = list[Any]


class Patient(Protocol):
    """Says whether to wait for Redis any longer."""

    def __call__(self, *, with_result: bool) -> bool:
        """Say so, `with_result` where there is one to be recorded."""


class Ending(IntEnum):
    """What became of the job that was to be ended."""

    NONE_GIVEN = 0
    RECORDED = 1
    TAKEN_OVER = -1  # another worker runs it, for this one was taken for dead
    HAS_DEPENDENTS = -2  # RQ's own way must end it; nothing was done


@dataclass(slots=True)
class Claim:
    """A job that this worker has claimed, and must end."""

    job_id: str
    execution_id: str
    fields: Fields
    claimed_at: float  # epoch seconds

    @property
    def queue(self) -> str:
        """The queue that it came from."""
        return self.fields.get(b"origin", b"").decode()

    @property
    def names(self) -> tuple[str, str, str]:
        """What tells it from all others: its id, its execution's, and its queue."""
        return self.job_id, self.execution_id, self.queue


@dataclass(frozen=True, slots=True)
class Finish:
    """A job whose function has returned, and what is to be recorded of it."""

    claim: Claim
    job: TaskJob
    value: Any
    result_ttl: int
    seconds: float
    has_log: bool = False  # whether the job has logged anything, which expires with it


@dataclass(frozen=True, slots=True)
class Turn:
    """What one round trip has brought."""

    ending: Ending
    claim: Claim | None = None
    suspended: bool = False  # `rq suspend` holds, so nothing is claimed


class Turns:
    """Sends one script on a connection of its own."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        patient: Patient,
        worker: str,
        queues: Sequence[str],
        lease: int,
    ) -> None:
        self._connect = connect
        self._patient = patient
        self._connection: Connection | None = None
        self._worker = worker
        self._lease = lease
        self._queues = [keys.queue(queue) for queue in queues]
        self._text = script("next")
        self._sha = ""
        self._prefix = os.urandom(10).hex()
        self._count = 0

    def next(self, finish: Finish | None, order: Sequence[int] | None, *, claim: bool) -> Turn:
        """End a job, where one is given, and claim another, where that is wanted and there is one.

        Args:
            finish: the job that has ended.
            order: in which the queues are looked at; by priority where left out.
            claim: whether to claim one.

        While Redis is away it waits and sends the same call again: the script knows by the
        execution's id what it has done already, should only its answer have been lost.

        Raises:
            redis.exceptions.RedisError: Redis is away, and `patient` says not to wait for it.
        """
        self._count += 1
        execution_id = f"{self._prefix}{self._count:012x}"
        queues = self._queues if order is None else [self._queues[i] for i in order]
        now = time.time()
        arguments: list[Any] = [
            1 + len(queues),
            keys.worker(self._worker),
            *queues,
            utcformat(datetime.fromtimestamp(now, UTC)),
            repr(now),
            execution_id,
            self._lease,
            self._worker,
            "1" if claim else "0",
        ]
        if finish is not None:
            arguments += _finish_arguments(finish)
        ending, *found = self._call_patiently(arguments, with_result=finish is not None)
        if not found:
            return Turn(Ending(ending))
        if found[0] is None:
            return Turn(Ending(ending), suspended=True)
        flat = found[1]
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        return Turn(Ending(ending), Claim(found[0].decode(), execution_id, fields, now))

    def _call_patiently(self, arguments: list[Any], *, with_result: bool) -> Answer:
        told = False
        while True:
            try:
                return self._call(arguments)
            except RedisError as error:
                if self._connection is not None:
                    self._connection.disconnect()
                    self._connection = None
                if not self._patient(with_result=with_result):
                    raise
                if not told:
                    logger.warning("horse.waiting_for_redis error=%s", error)
                told = True
                time.sleep(AGAIN)

    def _call(self, arguments: list[Any]) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
            self._load()
        answer: Answer
        try:
            answer = self._send("EVALSHA", self._sha, *arguments)
        except NoScriptError:  # Redis was restarted, or told to forget its scripts
            self._load()
            answer = self._send("EVALSHA", self._sha, *arguments)
        return answer

    def _load(self) -> None:
        self._sha = self._send("SCRIPT", "LOAD", self._text).decode()

    def _send(self, *command: Any) -> Any:
        assert self._connection is not None
        self._connection.send_packed_command([hiredis.pack_command(command)])
        return self._connection.read_response()


def _finish_arguments(finish: Finish) -> list[Any]:
    claim = finish.claim
    return [
        claim.job_id,
        claim.execution_id,
        claim.queue,
        "" if finish.value is None else b64encode(dumps(finish.value)),
        finish.result_ttl,
        repr(claim.claimed_at),
        f"{finish.seconds:.6f}",
        claim.fields.get(b"description", b""),
        claim.fields.get(b"labels", b""),
        "1" if b"lock" in claim.fields or finish.has_log else "0",
    ]
