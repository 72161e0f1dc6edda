"""The lock that keeps a data folder to one owner."""

import fcntl
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from app.errors import FolderInUse, FolderNotWritable


class _Holder(NamedTuple):
    pid: int
    links: tuple[str, ...]

    def __str__(self) -> str:
        if not _is_alive(self.pid):
            return f"the Redis server that process {self.pid} left running"
        links = f" ({', '.join(self.links)})" if self.links else ""
        return f"process {self.pid}{links}"


class FolderLock:
    """The file `lock` in a folder, held by an open file and naming its holder.

    Two Redis servers appending to one file would spoil it. The lock goes with the open file, not
    with its text: a holder that dies by SIGKILL leaves nothing to clean up, and a child that
    inherits `fd` goes on holding it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "lock"
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """The open file to pass on to the child that uses the folder."""
        if self._fd is None:
            raise ValueError(f"the lock of {self.folder} is not held")
        return self._fd

    def acquire(self, patience: float = 2.0) -> None:
        """Make the folder and take the lock, or give up after `patience` seconds.

        The patience is for a predecessor's Redis that is just ending. Raises `FolderInUse` or
        `FolderNotWritable`.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise FolderNotWritable(folder=self.folder, reason=error.strerror) from error
        deadline = time.monotonic() + patience
        while not _lock(fd):
            if time.monotonic() > deadline:
                os.close(fd)
                raise FolderInUse(folder=self.folder, holder=self._holder() or "another process")
            time.sleep(0.05)
        self._fd = fd
        self.describe()

    def describe(self, links: Sequence[str] = ()) -> None:
        """Write into the lock who holds it, and where that one can be reached."""
        text = json.dumps({"pid": os.getpid(), "links": list(links)}).encode()
        os.pwrite(self.fd, text, 0)
        os.ftruncate(self.fd, len(text))

    def links(self) -> tuple[str, ...]:
        """Give where whoever holds the folder now can be reached; nothing where nobody does."""
        try:
            fd = os.open(self._path, os.O_RDWR)
        except OSError:  # nobody has held it yet, or it is somebody else's
            return ()
        try:
            holder = None if _lock(fd) else self._holder()
        finally:
            os.close(fd)
        return holder.links if holder else ()

    def release(self) -> None:
        """Give the folder up; the file stays, since removing it would let two hold it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _holder(self) -> _Holder | None:
        try:
            found = json.loads(self._path.read_text())
            return _Holder(int(found["pid"]), tuple(found["links"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # seen while it was being written


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # alive, and somebody else's
    return True
