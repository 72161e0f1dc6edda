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
from app.worker.ahead import LATE, Pace
from app.worker.assignment import Assignment
from app.worker.doorbell import Doorbell
from app.worker.execution import Executor
from app.worker.hotline import Hotline
from app.worker.order import QueueOrder
from app.worker.rq_worker import PATIENCE, RQWorker
from app.worker.slot import Slot
from app.worker.turn import Claim, Ending, Finish, Turn, Turns

SUSPENDED_PAUSE = 0.5  # seconds between looks while `rq suspend` holds, or a queue is paused
MEMORY_LOOKS = 0.02  # seconds between two looks at the memory, which cannot grow by much in them


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
        self._memory_due = 0.0  # when it is to be looked at, on the monotonic clock
        self._idle_since = time.monotonic()
        self._pace = Pace()
        self._is_handed_over = False
        self._finish: Finish | None = None  # has ended, which Redis is to be told
        self._claim: Claim | None = None  # is to run next
        self._executor = Executor(worker, catalogue, slot, self._has_a_supervisor)
        names = worker.queue_names()
        self._numbers = {name: number for number, name in enumerate(names)}
        self._order = QueueOrder(worker._dequeue_strategy, len(names))  # noqa: SLF001 - its option

        def connect() -> Connection:
            return dedicated(worker.connection, PATIENCE)

        hotline = Hotline(connect, self._waits_for_redis)
        self._turns = Turns(hotline, worker.name, names, limits.lease)
        self._doorbell = Doorbell(lambda: dedicated(worker.connection), names)

    def run(self, handed_over: Claim | None) -> Exit:
        """Run jobs; only the one that was handed over, where there is one."""
        self._executor.install_alarm()
        end: Exit | None = None
        self._is_handed_over = handed_over is not None
        if handed_over is not None:
            self._execute(self._executor.begin(handed_over))
            end = Exit.RENEW
        try:
            while True:
                if end is None:
                    end = self._reason_to_end()
                if end is not None and self._claim is not None:
                    self._put_back_claim()
                if end is not None and self._finish is None:
                    self._executor.close()
                    return end
                if self._claim is None:
                    turn = self._take_turn(claim=end is None)
                    if self._claim is None:
                        end = self._rest(turn, end)
                        continue
                if not self._run_claimed(self._claim):
                    return Exit.HAND_OVER
        except RedisError:
            return Exit.CUT_OFF

    def _take_turn(self, *, claim: bool, running: Claim | None = None) -> Turn:
        """End the last job, and claim the next one where that is wanted."""
        finish, self._finish = self._finish, None
        turn = self._turns.next(finish, self._order.next(), claim=claim, running=running)
        self._take_in(turn, finish, another_runs=running is not None)
        return turn

    def _run_claimed(self, claim: Claim) -> bool:
        """Run what was claimed; says no where it wants a process of its own."""
        if self._pace.is_brisk() and self._may_claim_ahead(self._finish):
            return self._run_and_claim_ahead(claim, self._finish)
        if claim.is_ahead:
            self._take_turn(claim=False, running=claim)
        self._claim = None
        return self._execute(self._executor.begin(claim))

    def _may_claim_ahead(self, last: Finish | None) -> bool:
        limits = self._limits
        if limits.max_jobs is not None and self._slot.done + 1 >= limits.max_jobs:
            return False  # it would be one too many
        # What RQ's own way must end is not to wait until another job has ended.
        return self._jobs + 1 < limits.renew_after and not (last and last.claim.has_dependents)

    def _run_and_claim_ahead(self, claim: Claim, last: Finish | None) -> bool:
        """Run a job while Redis ends the last one and claims the next; see `ahead`."""
        call = self._turns.prepare(last, self._order.next(), claim=True, running=claim)
        begun = self._executor.note(claim)
        self._slot.claiming_ahead(call.execution_id)
        had_to_wait = self._turns.send(call)
        if had_to_wait:  # for Redis
            begun = self._executor.note_again()
        is_executed = self._execute(self._executor.read(claim, begun))
        self._slot.not_claiming_ahead()
        is_late = had_to_wait or time.monotonic() - begun > LATE
        self._take_in(self._turns.read(call), last, another_runs=True)
        if self._claim is not None and (is_late or not is_executed):
            self._put_back_claim()
        return is_executed

    def _execute(self, assignment: Assignment) -> bool:
        """Execute a job, unless it wants a process of its own."""
        if assignment.is_isolated and not self._is_handed_over:
            self._slot.handing_over()
            return False
        self._finish = self._executor.execute(assignment)
        self._jobs += 1
        self._idle_since = time.monotonic()
        self._pace.ended(assignment.begun, self._idle_since)
        return True

    def _take_in(self, turn: Turn, finish: Finish | None, *, another_runs: bool) -> None:
        """Note what a turn has brought, and what became of the job that it was to end."""
        self._claim = turn.claim
        if turn.claim is not None:
            self._order.claimed(self._numbers[turn.claim.queue])
        if finish is None or turn.ending is Ending.RECORDED:
            return
        if another_runs:
            self._slot.turn_back()
        self._executor.end_otherwise(finish, turn.ending)
        if another_runs:
            self._slot.turn_back()

    def _put_back_claim(self) -> None:
        assert self._claim is not None
        self._turns.put_back(self._claim)
        self._claim = None

    def _rest(self, turn: Turn, end: Exit | None) -> Exit | None:
        """Wait where there was no job; says to end where none may come or came in time."""
        self._slot.waiting()
        self._pace.rested()
        if end is not None or turn.is_unfinished or turn.ending is Ending.HAS_DEPENDENTS:
            return end
        return self._wait(turn)

    def _reason_to_end(self) -> Exit | None:
        limits = self._limits
        if self._slot.must_end or not self._has_a_supervisor():
            return Exit.DONE
        if limits.max_jobs is not None and self._slot.done >= limits.max_jobs:
            return Exit.DONE
        if self._jobs >= limits.renew_after or self._has_grown():
            return Exit.RENEW
        return None

    def _has_grown(self) -> bool:
        if self._idle_since < self._memory_due:
            return False
        self._memory_due = self._idle_since + MEMORY_LOOKS
        return _resident_bytes() - self._memory_at_start > self._limits.renew_growth

    def _wait(self, turn: Turn) -> Exit | None:
        """Block until there may be a job; says to end where none may come or came in time."""
        if self._limits.burst:
            return Exit.DONE
        if turn.suspended:
            # The queues may well have jobs, so no waiting on them.
            select.select([self._wake], [], [], SUSPENDED_PAUSE)
            return None
        seconds = self._seconds_to_idle()
        if seconds == 0:
            return Exit.DONE
        if turn.paused:
            seconds = min(SUSPENDED_PAUSE, seconds or SUSPENDED_PAUSE)
        try:
            self._doorbell.wait(self._wake, seconds, turn.paused)
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
