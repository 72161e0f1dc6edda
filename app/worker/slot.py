"""What the horse is at, in memory that it shares with its supervisor.

A few bytes written without a system call tell the supervisor which job runs and until when; asking
Redis or a pipe for it would cost more than many a job takes.
"""

import mmap
import struct
from dataclasses import dataclass
from enum import IntEnum

_SIZE = 4096
_NEVER = float("inf")
_FLAGS = struct.Struct("<BxxxxxxxQ")  # whether to end, jobs done
_DONE = struct.Struct("<Q")
_DONE_AT = 8
_RECORD = struct.Struct("<BxxxxxxxddH")  # doing, begun, deadline, length of the names
_DEADLINE = struct.Struct("<d")
_DEADLINE_AT = _FLAGS.size + 16
_NAMES = _FLAGS.size + _RECORD.size


class Doing(IntEnum):
    """What the horse does at this moment."""

    WAITING = 0  # for a job, or for Redis' answer: no job's function runs
    RUNNING = 1  # a job's function
    HANDING_OVER = 2  # it has claimed a job that wants a process of its own, and ends
    RECORDING = 3  # a job's function has ended, and Redis does not know yet how


@dataclass(frozen=True, slots=True)
class Record:
    """One look at the slot. Times are of the monotonic clock, in seconds."""

    doing: Doing
    begun: float
    deadline: float
    job_id: str
    execution_id: str
    queue: str


class Slot:
    """The shared memory; made before the fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)

    def running(self, job: tuple[str, str, str], begun: float) -> None:
        """Note the job (its id, its execution's id, its queue) that runs from now on."""
        names = "\n".join(job).encode()[: _SIZE - _NAMES]
        packed = _RECORD.pack(Doing.RUNNING, begun, _NEVER, len(names)) + names
        self._memory[_FLAGS.size : _FLAGS.size + len(packed)] = packed

    def running_until(self, deadline: float) -> None:
        """Note when what runs must have ended."""
        _DEADLINE.pack_into(self._memory, _DEADLINE_AT, deadline)
        self._memory[_FLAGS.size] = Doing.RUNNING

    def handing_over(self) -> None:
        """Note that the job is for the next horse."""
        self._memory[_FLAGS.size] = Doing.HANDING_OVER

    def recording(self) -> None:
        """Note that the job's function has ended; no deadline holds any more."""
        self._memory[_FLAGS.size] = Doing.RECORDING

    def waiting(self) -> None:
        """Note that no job's function runs, and none is to be recorded."""
        self._memory[_FLAGS.size] = Doing.WAITING

    def look(self) -> Record:
        """Read what the horse does."""
        doing, begun, deadline, length = _RECORD.unpack_from(self._memory, _FLAGS.size)
        names = self._memory[_NAMES : _NAMES + length].decode(errors="replace").split("\n")
        job_id, execution_id, queue = names if len(names) == 3 else ("", "", "")
        return Record(Doing(doing), begun, deadline, job_id, execution_id, queue)

    @property
    def must_end(self) -> bool:
        """Whether the horse is to claim no further job."""
        return bool(self._memory[0])

    def end(self) -> None:
        """Let the horse claim no further job."""
        self._memory[0] = 1

    @property
    def done(self) -> int:
        """How many jobs all horses of this worker have run."""
        count: int = _DONE.unpack_from(self._memory, _DONE_AT)[0]
        return count

    def count(self) -> int:
        """Count one more job."""
        count = self.done + 1
        _DONE.pack_into(self._memory, _DONE_AT, count)  # it alone: the flag is the supervisor's
        return count

    def clear(self) -> None:
        """Make it ready for the next horse."""
        self._memory[_FLAGS.size : _NAMES] = bytes(_RECORD.size)
