"""The processes of a session: what a child leaves behind when it dies before its own children."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from pathlib import Path

_PROC = Path("/proc")


def members(sessions: Collection[int]) -> list[int]:
    """List the ids of the living processes of these sessions, zombies left out.

    A child starts a session of its own, and what it forks stays in it: other process groups of its
    own making (as RQ's work horses are) and orphans included. Only a process that starts a further
    session escapes.
    """
    return [
        pid
        for pid in _process_ids()
        if _session(pid) in sessions and process_state(pid) not in {"", "Z"}
    ]


def kill_session(session: int, seconds: float) -> list[int]:
    """Kill what lives in a session, waiting at most so long for it to go; list whom it hit."""
    hit: set[int] = set()
    deadline = time.monotonic() + seconds
    while (living := members({session})) and time.monotonic() < deadline:
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        hit.update(living)
        time.sleep(0.01)
    return sorted(hit)


def process_state(pid: int) -> str:
    """Give the letter of a process's state as `ps` does, `Z` for a zombie; empty for none."""
    if not _has_proc():
        return _ps("-o", "stat=", "-p", str(pid))[:1]
    try:
        # "pid (name) state …"; the name may itself hold spaces and brackets.
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(") ")[2][:1]
    except OSError:
        return ""


def _process_ids() -> Iterator[int]:
    if _has_proc():
        return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return map(int, _ps("-A", "-o", "pid=").split())


def _has_proc() -> bool:
    return (_PROC / "self").exists()  # Linux, whose small images have no `ps`


def _ps(*options: str) -> str:
    return subprocess.run(["ps", *options], capture_output=True, check=False, text=True).stdout  # noqa: S603, S607


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None  # it has just ended, or is none of our business
