"""Where the horse stands: it is forked, watched, and ended here."""

import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.lifeline import lifeline
from app.worker.horse import Exit, Horse
from app.worker.slot import NOTHING, Doing, Record, Slot
from app.worker.turn import Claim

logger = logging.getLogger("task_api.worker")

CRASHED_AT_ONCE = 1.0  # seconds; a horse that lived no longer is not replaced sooner than that
_BROKEN = 70  # exit code of a horse whose own loop failed (EX_SOFTWARE of sysexits.h)


@dataclass(frozen=True, slots=True)
class End:
    """How a horse ended, and what it was at."""

    status: int  # as os.waitpid gives it
    record: Record
    before: Record = NOTHING  # what it was at before that

    @property
    def exit(self) -> Exit | None:
        """Why it ended by itself; None where it crashed or was killed."""
        if not os.WIFEXITED(self.status) or self.record.doing in {Doing.RUNNING, Doing.RECORDING}:
            return None  # a job that calls os._exit may choose any code
        code = os.WEXITSTATUS(self.status)
        return Exit(code) if code in set(Exit) else None

    @property
    def signal(self) -> int | None:
        """The signal that has ended it."""
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None

    @property
    def cause(self) -> str:
        """Say how it crashed."""
        if (number := self.signal) is not None:
            return f"signal {number} ({signal_name(number)})"
        return f"exit code {os.waitstatus_to_exitcode(self.status)}"


class Stable:
    """Keeps one horse."""

    def __init__(self, make_horse: Callable[[Slot, int], Horse]) -> None:
        self._make_horse = make_horse
        self._slot = Slot()
        self._started = 0.0
        self._wake: int | None = None
        self.pid = 0

    @property
    def jobs_done(self) -> int:
        """How many jobs all horses have run."""
        return self._slot.done

    def look(self) -> Record:
        """See what the horse is at."""
        return self._slot.look()

    def look_before(self) -> Record:
        """See what it was at before; Redis may not know yet how that has ended."""
        return self._slot.look_before()

    def look_ahead(self) -> tuple[str, Record]:
        """See what the horse is at, and the call that claims ahead of it; '' where none does."""
        return self._slot.look_ahead()

    def start(self, handed_over: Claim | None) -> None:
        """Fork a horse, for the job that was handed over alone, or for all that come."""
        self._slot.clear()
        hear, self._wake = os.pipe()
        tie = lifeline(signal.SIGKILL)
        if not gc.get_freeze_count():  # once, for what is frozen is never collected
            gc.freeze()  # so what is loaded stays shared with the child, not copied at a collection
        self._started = time.monotonic()
        _flush()  # what is written but not sent would be sent by the child too
        self.pid = os.fork()
        if self.pid == 0:
            self._be_the_horse(hear, tie, handed_over)
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)  # the child does so too; whoever needs it, it is done
        os.close(hear)

    def may_start(self) -> bool:
        """Say no for a moment where the last horse died at its start."""
        return time.monotonic() - self._started > CRASHED_AT_ONCE or not self._started

    def reap(self) -> End | None:
        """Take in a horse that has ended."""
        if not self.pid:
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        end = End(status, self._slot.look(), self._slot.look_before())
        self.pid = 0
        self._close_wake()
        if end.exit is not None or end.record.doing is not Doing.WAITING:
            self._started = 0.0
        return end

    def ask_to_end(self) -> None:
        """Let the horse claim no further job; it ends once its job has."""
        self._slot.end()
        self._close_wake()

    def kill(self, only: Callable[[Record], bool] | None = None) -> bool:
        """Kill the horse and what its job has started, where it is at what `only` says.

        It is halted first: else it might have gone on to another job in the meantime.
        """
        if not self.pid:
            return False
        if only is not None:
            os.kill(self.pid, signal.SIGSTOP)
            _wait_until_stopped(self.pid)
            if not only(self._slot.look()):
                os.kill(self.pid, signal.SIGCONT)
                return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return True

    def _close_wake(self) -> None:
        if self._wake is not None:
            os.close(self._wake)
            self._wake = None

    def _be_the_horse(self, hear: int, tie: Callable[[], None], handed_over: Claim | None) -> None:
        code = _BROKEN
        try:
            tie()
            assert self._wake is not None
            os.close(self._wake)
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM):
                # Whoever signals the whole group means the supervisor, which knows what to do. No
                # SIG_IGN: what a job starts would inherit that.
                signal.signal(number, lambda *_: None)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            code = self._make_horse(self._slot, hear).run(handed_over)
        except BaseException:
            logger.exception("horse.broken pid=%s", os.getpid())
        finally:
            _flush()
            logging.shutdown()
            os._exit(code)


def signal_name(number: int) -> str:
    """Name a signal; those for real time have none of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return "no name"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none at all
            stream.flush()


def _wait_until_stopped(pid: int) -> None:
    """Wait until a signal to stop has been heeded, or the process has ended."""
    for _ in range(200):
        info = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is not None:
            return
        time.sleep(0.0005)
