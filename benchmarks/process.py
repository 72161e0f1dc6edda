"""A process under measurement: started, asked for its CPU time and memory, ended by its id."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.local.child import Command, spawn

_TICKS = os.sysconf("SC_CLK_TCK")  # a second; CPU time is counted in these


@dataclass(frozen=True, slots=True)
class _Stat:
    """What /proc/<pid>/stat says, as far as it matters here."""

    parent: int
    own: int  # ticks, user and system
    reaped: int  # ticks of its children that have ended


class Process:
    """A command with all its children. It does not outlive the benchmark, however that ends."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        """Start it; what it prints goes to the file `log`."""
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process: subprocess.Popen[bytes] = spawn(Command(name, tuple(argv), env), output)

    @property
    def pid(self) -> int:
        """The id of the process that was started; its children have others."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """The code that it ended with, negative for a signal; None while it runs."""
        return self._process.poll()

    def last_lines(self) -> str:
        """Give the end of what it printed, for an error's message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def cpu_seconds(self) -> float:
        """CPU time so far, user and system, of it and of all its children, dead ones included."""
        return cpu_seconds(self.pid)

    def descendants(self) -> list[int]:
        """Give its children's ids, and theirs."""
        return [pid for pid in _family(self.pid, _stats()) if pid != self.pid]

    def kill(self) -> None:
        """End it and its children at once: what they were at is thrown away anyway."""
        family = {pid: started(pid) for pid in self.descendants()}
        self._process.kill()
        self._process.wait()
        for pid, start in family.items():
            if start is not None and started(pid) == start:  # the id may be somebody else's by now
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all its children, in seconds; it counts in steps of 10 ms."""
    stats = _stats()
    family = [stats[member] for member in _family(pid, stats) if member in stats]
    return sum(stat.own + stat.reaped for stat in family) / _TICKS


def memory(pid: int) -> int:
    """Bytes of memory that a process alone holds: what it shares with its parent is not counted."""
    fields = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
    return sum(
        int(fields[at + 1]) * 1024
        for at, word in enumerate(fields)
        if word in {"Private_Clean:", "Private_Dirty:"}
    )


def started(pid: int) -> str | None:
    """Say when a process started, in ticks since boot; None where there is none, or only its shell.

    Together with the id this names a process: ids are used again.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _stats() -> dict[int, _Stat]:
    stats = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # The name may hold spaces and brackets, so count from behind it.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            user, system, reaped_user, reaped_system = map(int, fields[11:15])
            stats[int(folder.name)] = _Stat(
                int(fields[1]), user + system, reaped_user + reaped_system
            )
    return stats


def _family(pid: int, stats: Mapping[int, _Stat]) -> list[int]:
    family = [pid]
    for member in family:  # it grows while it is read
        family += [child for child, stat in stats.items() if stat.parent == member]
    return family
