"""The horse: one process, forked once with the tasks loaded, that runs job after job."""

import os
import select
import time
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from redis.connection import Connection
from redis.exceptions import RedisError

from app.catalogue import Catalogue
from app.queue.connection import dedicated
from app.worker.doorbell import Doorbell
from app.worker.execution import Executor
from app.worker.order import QueueOrder
from app.worker.rq_worker import PATIENCE, RQWorker
from app.worker.slot import Slot
from app.worker.turn import Claim, Ending, Finish, Turns

SUSPENDED_PAUSE = 0.5  # seconds between looks while `rq suspend` holds
MEMORY_LOOKS = 256  # jobs between two looks at the memory


class Exit(IntEnum):
    """Why a horse ended by itself: its exit code."""

    DONE = 0  # it was told to, or what it was started for is done
    RENEW = 80  # it has run enough jobs, or grown too large
    HAND_OVER = 81  # it has claimed a job that wants a process of its own
    CUT_OFF = 82  # it was told to while Redis was away, and may have claimed a job


@dataclass(frozen=True, slots=True)
class Limits:
    """When executions expire, and when a horse ends by itself."""

    lease: int  # seconds
    burst: bool = False
    max_jobs: int | None = None  # of the worker
    max_idle_time: int | None = None  # seconds
    renew_after: int = 100_000  # jobs of one horse
    renew_growth: int = 512 * 1_048_576  # bytes that its memory may grow


class Horse:
    """Claims jobs and runs them, until it is told to end or has run its course."""

    def __init__(
        self, worker: RQWorker, catalogue: Catalogue, slot: Slot, wake: int, limits: Limits
    ) -> None:
        self._slot = slot
        self._wake = wake  # readable once the supervisor wants something, or is gone
        self._limits = limits
        self._parent = os.getppid()
        self._jobs = 0
        self._memory_at_start = _resident_bytes()
        self._idle_since = time.monotonic()
        self._executor = Executor(worker, catalogue, slot, self._has_a_supervisor)
        names = worker.queue_names()
        self._numbers = {name: number for number, name in enumerate(names)}
        self._order = QueueOrder(worker._dequeue_strategy, len(names))  # noqa: SLF001 - its option

        def connect() -> Connection:
            return dedicated(worker.connection, PATIENCE)

        self._turns = Turns(connect, self._waits_for_redis, worker.name, names, limits.lease)
        self._doorbell = Doorbell(lambda: dedicated(worker.connection), names)

    def run(self, handed_over: Claim | None) -> Exit:
        """Run jobs; only the one that was handed over, where there is one."""
        self._executor.install_alarm()
        finish: Finish | None = None
        end: Exit | None = None
        if handed_over is not None:
            finish, end = self._executor.execute(self._executor.begin(handed_over)), Exit.RENEW
        while True:
            if end is None:
                end = self._reason_to_end()
            if end is not None and finish is None:
                self._executor.close()
                return end
            try:
                turn = self._turns.next(finish, self._order.next(), claim=end is None)
            except RedisError:
                return Exit.CUT_OFF
            if finish is not None and turn.ending is not Ending.RECORDED:
                self._executor.end_otherwise(finish, turn.ending)
            finish = None
            if turn.claim is not None:
                self._order.claimed(self._numbers[turn.claim.queue])
                assignment = self._executor.begin(turn.claim)
                if assignment.is_isolated:
                    self._slot.handing_over()
                    return Exit.HAND_OVER
                finish = self._executor.execute(assignment)
                self._jobs += 1
                self._idle_since = time.monotonic()
                continue
            self._slot.waiting()
            if end is None and turn.ending is not Ending.HAS_DEPENDENTS:
                end = self._wait(suspended=turn.suspended)

    def _reason_to_end(self) -> Exit | None:
        limits = self._limits
        if self._slot.must_end or not self._has_a_supervisor():
            return Exit.DONE
        if limits.max_jobs is not None and self._slot.done >= limits.max_jobs:
            return Exit.DONE
        if self._jobs >= limits.renew_after:
            return Exit.RENEW
        if self._jobs % MEMORY_LOOKS == MEMORY_LOOKS - 1:
            grown = _resident_bytes() - self._memory_at_start
            return Exit.RENEW if grown > limits.renew_growth else None
        return None

    def _wait(self, *, suspended: bool) -> Exit | None:
        """Block until there may be a job; says to end where none may come or came in time."""
        if self._limits.burst:
            return Exit.DONE
        if suspended:
            # The queues may well have jobs, so no waiting on them.
            select.select([self._wake], [], [], SUSPENDED_PAUSE)
            return None
        seconds = self._seconds_to_idle()
        if seconds == 0:
            return Exit.DONE
        try:
            self._doorbell.wait(self._wake, seconds)
        except RedisError:
            self._doorbell.close()  # the next turn waits for Redis
        except (OSError, ValueError):
            # A task has closed descriptors that were not its own, or left more open than select
            # can tell apart.
            return Exit.RENEW
        return None

    def _seconds_to_idle(self) -> float | None:
        if self._limits.max_idle_time is None:
            return None
        return max(0.0, self._idle_since + self._limits.max_idle_time - time.monotonic())

    def _has_a_supervisor(self) -> bool:
        return os.getppid() == self._parent

    def _waits_for_redis(self, *, with_result: bool) -> bool:
        """Say whether to wait: with a result until the supervisor's patience is over."""
        return self._has_a_supervisor() and (with_result or not self._slot.must_end)


def _resident_bytes() -> int:
    """Give the memory that this process holds; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGESIZE")
