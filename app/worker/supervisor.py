"""The supervisor: what stands beside the horse, and does in turn all that is not running jobs."""

import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError
from rq.worker import BaseWorker

from app.queue import keys
from app.worker.ahead import HeldUp
from app.worker.aside import Aside
from app.worker.burial import Burial
from app.worker.commands import Commands
from app.worker.duties import AGAIN, Duties, Duty
from app.worker.heartbeat import Heartbeat
from app.worker.horse import Exit
from app.worker.pruning import Pruning
from app.worker.recovery import Loss, Recovery
from app.worker.scheduler import Scheduler
from app.worker.settling import Settling
from app.worker.signals import Signals
from app.worker.slot import Doing, Record
from app.worker.stable import End, Stable
from app.worker.turn import Claim

logger = logging.getLogger("task_api.worker")

LONGEST_SLEEP = 1.0  # seconds; how late a deadline may be noticed

_SLEEPLESS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux; on macOS both go on


class Supervisor:
    """Runs until it is told to end, or the horse has run its course."""

    def __init__(self, worker: BaseWorker, stable: Stable, *, lease: int, grace: float) -> None:
        self._worker = worker
        self._stable = stable
        self._lease = lease
        names = worker.queue_names()
        self._heartbeat = Heartbeat(worker, lease)
        self._scheduler = Scheduler(worker.connection, names)
        self._aside = Aside()
        self._recovery = Recovery(worker.connection, names, self._aside)
        self._burial = Burial(worker, self._recovery, self._aside)
        self._held_up = HeldUp(worker.key, self._recovery, stable.look_ahead)
        self._signals = Signals(grace)
        self._commands: Commands | None = None
        self._listening = Duty(self._listen)
        self._take_over = Duty(self._take_over_expired, time.monotonic() + lease)
        self._duties = Duties(
            Duty(lambda: self._heartbeat.beat(stable.look(), stable.look_before())),
            self._listening,
            Duty(self._scheduler.look),
            self._take_over,
            Duty(self._maintain, time.monotonic() + lease),
            Duty(Pruning(worker.connection).sweep),
            Duty(Settling(worker.connection, names).look),
            Duty(self._held_up.put_back),
            lease=lease,
            spare=self._spare_the_living,
            lost=self._stop_listening,
        )
        self._unsettled: Callable[[], None] | None = None
        self._handed_over: Claim | None = None
        self._over = False
        self._awake_at = _uptime()

    def run(self) -> None:
        """Keep a horse, and do all that is due, until it is over."""
        with self._signals.heard() as wakeup:
            try:
                self._do_duties()  # a horse in a burst is to find what is due
                while self._tend():
                    self._do_duties()
                    self._obey()
                    self._end_what_must_end()
                    self._sleep(wakeup)
            finally:
                self._leave()

    def _tend(self) -> bool:
        """See to the horse: take in a dead one, settle what it left, get another."""
        self._aside.reap()
        end = self._stable.reap()
        if end is not None:
            self._take_in(end)
        if self._stable.pid:
            return True
        if self._unsettled is not None:
            try:
                self._unsettled()
            except RedisError as error:
                self._duties.lose_redis(error)
                return not self._signals.is_out_of_time  # its execution expires, and is taken over
            self._unsettled = None
        # What was handed over has begun, so it has its grace.
        if self._over or (self._signals.must_end and self._handed_over is None):
            return False
        if self._stable.may_start() and self._heartbeat.registered:
            self._stable.start(self._handed_over)
            self._handed_over = None
        return True

    def _take_in(self, end: End) -> None:
        if end.exit is Exit.DONE:
            self._over = True
        elif end.exit is Exit.HAND_OVER:
            self._unsettled = lambda: self._prepare_handover(end.record)
        elif end.exit is Exit.CUT_OFF:
            with contextlib.suppress(RedisError):
                self._recovery.put_back_claimed(self._worker.key)
        elif end.exit is None:
            self._unsettled = lambda: self._burial.bury(end)

    def _prepare_handover(self, record: Record) -> None:
        if self._signals.must_end:
            self._recovery.put_back(record.held)
            return
        held = record.held
        fields: Any = self._worker.connection.hgetall(keys.job(held.job_id))
        if fields:
            self._handed_over = Claim(held.job_id, held.execution_id, fields, time.time())
        else:
            self._recovery.lost(Loss(held, "it was deleted"))

    def _do_duties(self) -> None:
        self._notice_standstill()
        self._duties.do()

    def _notice_standstill(self) -> None:
        """Note whether we were halted, or the machine slept: then so may have the other workers."""
        before, self._awake_at = self._awake_at, _uptime()
        if self._awake_at - before > self._lease / 2:
            self._spare_the_living()

    def _obey(self) -> None:
        if self._commands is None:
            return
        try:
            for command in self._commands.read():
                self._carry_out(command)
        except RedisError as error:
            self._duties.lose_redis(error)

    def _carry_out(self, command: Any) -> None:
        match command:
            case {"command": "stop-job", "job_id": str(job_id)}:
                if self._stable.kill(lambda record: _runs(record, job_id)):
                    self._burial.stopped = job_id
            case {"command": "kill-horse"}:
                self._stable.kill(lambda record: record.doing is Doing.RUNNING)
            case {"command": "shutdown"}:
                os.kill(os.getpid(), signal.SIGINT)

    def _end_what_must_end(self) -> None:
        now = time.monotonic()
        if self._signals.must_end:
            self._stable.ask_to_end()
            if self._signals.is_out_of_time and self._stable.kill():
                self._burial.put_back = True
        record = self._stable.look()
        if record.doing is Doing.RUNNING and now > record.deadline:
            late = record.held
            if self._stable.kill(lambda found: found.held == late and now > found.deadline):
                self._burial.overdue = True

    def _sleep(self, wakeup: int) -> None:
        seconds = min(LONGEST_SLEEP, self._duties.rest)
        if self._unsettled is not None:
            seconds = min(seconds, AGAIN)
        elif not self._stable.pid:
            seconds = 0.05
        readable: list[Any] = [wakeup]
        if self._commands is not None:
            readable.append(self._commands)
        select.select(readable, [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            os.read(wakeup, 4096)

    def _listen(self) -> float:
        if self._commands is None:
            self._commands = Commands(self._worker.connection, self._worker.name)
        else:
            self._commands.ping()
        return self._lease

    def _take_over_expired(self) -> float:
        self._recovery.take_over()
        return self._lease / 3

    def _maintain(self) -> float:
        try:
            self._worker.run_maintenance_tasks()
        except RedisError:
            raise
        except Exception:  # RQ's own code, on whatever stands in Redis
            logger.exception("worker.maintenance_failed")
        return float(self._worker.maintenance_interval)

    def _stop_listening(self) -> None:
        if self._commands is not None:
            self._commands.close()
            self._commands = None
            self._listening.due = 0.0

    def _spare_the_living(self) -> None:
        """Give the others a lease to renew what has expired while nobody could, or we cannot know.

        So it is after our own start, after Redis was away or refused, and after we stood still.
        """
        self._take_over.due = time.monotonic() + self._lease

    def _leave(self) -> None:
        self._stable.kill()  # there is one only where we leave by an exception
        if not self._duties.redis_away:
            with contextlib.suppress(RedisError):
                self._scheduler.release()
                self._heartbeat.end()
        if self._commands is not None:
            self._commands.close()
        logger.info("worker.ended name=%s jobs=%s", self._worker.name, self._stable.jobs_done)


def _uptime() -> float:
    """Tell the seconds on a clock that goes on while the machine sleeps, and is never set."""
    return time.clock_gettime(_SLEEPLESS)


def _runs(record: Record, job_id: str) -> bool:
    return record.doing is Doing.RUNNING and record.held.job_id == job_id
