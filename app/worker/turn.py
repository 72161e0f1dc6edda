"""One round trip a job: end the last one and claim the next."""

import logging
import os
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from app.queue import keys
from app.queue.hashes import Hash, hash_of
from app.queue.held import Held
from app.queue.moment import text_of
from app.queue.script_calls import requeue_call
from app.queue.wire import dumps
from app.worker.hotline import Answer, Hotline
from app.worker.job import TaskJob

logger = logging.getLogger("task_api.worker")


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
    fields: Hash
    claimed_at: float  # epoch seconds
    has_dependents: bool = False  # so that RQ's own way must end it
    is_ahead: bool = False  # it was claimed while another ran: Redis is to be told when it runs

    @property
    def queue(self) -> str:
        """The queue that it came from."""
        return self.fields.get(b"origin", b"").decode()

    @property
    def held(self) -> Held:
        """What tells it from all others."""
        return Held(self.job_id, self.execution_id, self.queue)


@dataclass(slots=True)
class Finish:
    """A job whose function has returned, and what is to be recorded of it."""

    claim: Claim
    job: TaskJob
    value: Any
    result_ttl: int
    seconds: float
    has_log: bool = False  # whether the job has logged anything, which expires with it
    arguments: list[Any] = field(init=False)  # of the script

    def __post_init__(self) -> None:
        # Now: should pickling the value kill us, that counts as this job's doing.
        self.arguments = _finish_arguments(self)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one round trip has brought."""

    ending: Ending
    claim: Claim | None = None
    suspended: bool = False  # `rq suspend` holds, so nothing is claimed
    paused: frozenset[str] = frozenset()  # queues that were passed over; the others have no job
    is_unfinished: bool = False  # so many jobs were gone that those behind are for the next turn


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the script."""

    execution_id: str
    time: float  # epoch seconds
    arguments: list[Any]
    is_ahead: bool  # a job runs meanwhile


class Turns:
    """Calls one script, on a connection of its own.

    All raise `redis.exceptions.RedisError` where Redis is away and it is not to be waited for.
    """

    def __init__(self, hotline: Hotline, worker: str, queues: Sequence[str], lease: int) -> None:
        self._hotline = hotline
        self._worker = worker
        self._lease = lease
        self._queues = [keys.queue(queue) for queue in queues]
        self._prefix = os.urandom(10).hex()
        self._count = 0

    def next(
        self,
        finish: Finish | None,
        order: Sequence[int] | None,
        *,
        claim: bool,
        running: Claim | None = None,
    ) -> Turn:
        """End a job, where one is given, and claim another, where that is wanted and there is one.

        Args:
            finish: the job that has ended.
            order: in which the queues are looked at; by priority where left out.
            claim: whether to claim one.
            running: what was claimed before, and runs next.

        While Redis is away it waits and sends the same call again: the script knows by the
        execution's id what it has done already, should only its answer have been lost.
        """
        call = self.prepare(finish, order, claim=claim, running=running)
        return _turn(
            call, self._hotline.run("next", call.arguments, with_result=finish is not None)
        )

    def prepare(
        self,
        finish: Finish | None,
        order: Sequence[int] | None,
        *,
        claim: bool,
        running: Claim | None,
    ) -> Call:
        """Make a call as `next` does, to be sent while what is `running` runs."""
        self._count += 1
        execution_id = f"{self._prefix}{self._count:012x}"
        queues = self._queues if order is None else [self._queues[i] for i in order]
        now = time.time()
        arguments: list[Any] = [
            1 + len(queues),
            keys.worker(self._worker),
            *queues,
            text_of(datetime.fromtimestamp(now, UTC)),
            repr(now),
            execution_id,
            self._lease,
            self._worker,
            "1" if claim else "0",
            running.job_id if running else "",
        ]
        if finish is not None:
            arguments += finish.arguments
        return Call(execution_id, now, arguments, running is not None)

    def send(self, call: Call) -> bool:
        """Send a call, and leave its answer to `read`; says whether it had to wait for Redis."""
        return self._hotline.send("next", call.arguments)

    def read(self, call: Call) -> Turn:
        """Give the answer to the call that was sent."""
        return _turn(call, self._hotline.read())

    def put_back(self, claim: Claim) -> None:
        """Give a job back to the front of its queue that was claimed and has not begun."""
        script_keys, args = requeue_call(claim.held)
        arguments = [len(script_keys), *script_keys, *args]
        if self._hotline.run("requeue", arguments, with_result=True):
            logger.info("job.put_back id=%s", claim.job_id)


def _turn(call: Call, answer: Answer) -> Turn:
    ending, *found = answer
    if not found:
        return Turn(Ending(ending))
    if found[0] is None:
        return Turn(Ending(ending), suspended=True)
    if found[0] == 0:
        return Turn(Ending(ending), is_unfinished=True)
    if isinstance(found[0], list):
        return Turn(Ending(ending), paused=frozenset(queue.decode() for queue in found[0]))
    job_id, flat, dependents = found
    claim = Claim(job_id.decode(), call.execution_id, hash_of(flat), call.time)
    claim.has_dependents, claim.is_ahead = bool(dependents), call.is_ahead
    return Turn(Ending(ending), claim)


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
