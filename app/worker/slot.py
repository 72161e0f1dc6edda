"""What the horse is at, in memory that it shares with its supervisor.

A few bytes written without a system call tell the supervisor which job runs and until when; asking
Redis or a pipe for it would cost more than many a job takes.

There are two places for jobs, used in turn: while one job runs, the end of the one before it may
still be on its way to Redis.

The supervisor may look at any instant, so a number is written by one store of the processor,
through a view of eight bytes an item. `struct.pack_into` would not do: it clears the bytes and then
sets one after the other, and a deadline that is seen half written has passed long ago.
"""

import mmap
import struct
from dataclasses import dataclass
from enum import IntEnum

from app.queue.held import Held

_SIZE = 8192
_NEVER = float("inf")
_MUST_END_AT = 0
_PLACE_AT = 1  # which of the two places holds the job that the horse is at
_DONE_AT = 8
_AHEAD_AT = 16
_AHEAD_SIZE = 32  # an execution's id
_FIRST_PLACE_AT = 64
_PLACE_SIZE = (_SIZE - _FIRST_PLACE_AT) // 2
_RECORD = struct.Struct("=BxxxxxxxddH")  # doing, begun, deadline, length of the names
_BEGUN_OFFSET = 8
_DEADLINE_OFFSET = 16
_LENGTH_OFFSET = 24
_LENGTH = struct.Struct("=H")
_MOST_NAMES = _PLACE_SIZE - _RECORD.size
_BETWEEN = "\0"  # the names; no name of a queue that a command line may give holds it


class Doing(IntEnum):
    """What the horse does at this moment."""

    WAITING = 0  # for a job, or for Redis' answer: no job's function runs
    RUNNING = 1  # a job's function
    HANDING_OVER = 2  # it has claimed a job that wants a process of its own, and ends
    RECORDING = 3  # a job's function has ended, and Redis may not know yet how


@dataclass(frozen=True, slots=True)
class Record:
    """One look at a place of the slot. Times are of the monotonic clock, in seconds."""

    doing: Doing
    begun: float
    deadline: float
    held: Held


NOTHING = Record(Doing.WAITING, 0.0, 0.0, Held("", "", ""))


class Slot:
    """The shared memory; made before the fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._times = memoryview(self._memory).cast("d")
        self._counts = memoryview(self._memory).cast("Q")
        self._at = _FIRST_PLACE_AT  # the horse's own note of where its place begins

    def running(self, held: Held, begun: float) -> None:
        """Note the job that runs from now on."""
        names = _BETWEEN.join(held).encode()[:_MOST_NAMES]
        self._turn()
        self._memory[self._at : self._at + _RECORD.size + len(names)] = (
            _RECORD.pack(Doing.RUNNING, begun, _NEVER, len(names)) + names
        )
        self._show()

    def begun(self, begun: float) -> None:
        """Note that what is noted as running has begun only now."""
        self._times[(self._at + _BEGUN_OFFSET) // 8] = begun

    def running_until(self, deadline: float) -> None:
        """Note when what runs must have ended."""
        self._times[(self._at + _DEADLINE_OFFSET) // 8] = deadline
        self._memory[self._at] = Doing.RUNNING

    def handing_over(self) -> None:
        """Note that the job is for the next horse."""
        self._memory[self._at] = Doing.HANDING_OVER

    def recording(self) -> None:
        """Note that the job's function has ended; no deadline holds any more."""
        self._memory[self._at] = Doing.RECORDING

    def waiting(self) -> None:
        """Note that no job's function runs, and none is to be recorded."""
        self._memory[self._at] = Doing.WAITING

    def turn_back(self) -> None:
        """Let the job before be what the horse is at, and this one be the job before."""
        self._turn()
        self._show()

    def claiming_ahead(self, call: str) -> None:
        """Note the call that claims another job while this one runs."""
        self._memory[_AHEAD_AT : _AHEAD_AT + _AHEAD_SIZE] = call.encode()

    def not_claiming_ahead(self) -> None:
        """Note that what was claimed ahead, if anything, is held up by no job any more."""
        self._memory[_AHEAD_AT] = 0

    def look(self) -> Record:
        """Read what the horse does."""
        return self._read(self._memory[_PLACE_AT])

    def look_before(self) -> Record:
        """Read what it did before. `RECORDING`: Redis may not know yet how that job has ended."""
        return self._read(1 - self._memory[_PLACE_AT])

    def look_ahead(self) -> tuple[str, Record]:
        """Read the call that claims ahead, and the job that runs meanwhile; '' where none does."""
        call, record = self._read_ahead(), self.look()
        # Else it went on to another job while we looked.
        return (call if call == self._read_ahead() else ""), record

    @property
    def must_end(self) -> bool:
        """Whether the horse is to claim no further job."""
        return bool(self._memory[_MUST_END_AT])

    def end(self) -> None:
        """Let the horse claim no further job."""
        self._memory[_MUST_END_AT] = 1

    @property
    def done(self) -> int:
        """How many jobs all horses of this worker have run."""
        return self._counts[_DONE_AT // 8]

    def count(self) -> int:
        """Count one more job."""
        self._counts[_DONE_AT // 8] += 1
        return self.done

    def clear(self) -> None:
        """Make it ready for the next horse."""
        self._memory[_PLACE_AT] = 0
        self._memory[_AHEAD_AT:] = bytes(_SIZE - _AHEAD_AT)

    def _turn(self) -> None:
        self._at = _FIRST_PLACE_AT + (_PLACE_SIZE if self._at == _FIRST_PLACE_AT else 0)

    def _show(self) -> None:
        self._memory[_PLACE_AT] = self._at != _FIRST_PLACE_AT

    def _read(self, place: int) -> Record:
        at = _FIRST_PLACE_AT + place * _PLACE_SIZE
        doing = self._memory[at]
        begun = self._times[(at + _BEGUN_OFFSET) // 8]
        deadline = self._times[(at + _DEADLINE_OFFSET) // 8]
        [length] = _LENGTH.unpack_from(self._memory, at + _LENGTH_OFFSET)
        at += _RECORD.size
        names = self._memory[at : at + length].decode(errors="replace").split(_BETWEEN)
        held = Held(*names) if len(names) == len(NOTHING.held) else NOTHING.held
        return Record(Doing(doing), begun, deadline, held)

    def _read_ahead(self) -> str:
        call = self._memory[_AHEAD_AT : _AHEAD_AT + _AHEAD_SIZE]
        return call.decode(errors="replace") if call[0] else ""
