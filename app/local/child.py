"""A child process: started apart from the terminal, bound to our life, read line by line."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO

from app.lifeline import lifeline

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and the name that its lines are prefixed with."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # besides our own
    pass_fds: tuple[int, ...] = ()
    ends_last: bool = False  # the others need it until they have ended


def spawn(command: Command, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a process that a terminal's Ctrl-C does not reach, and that does not outlive us.

    The second holds on Linux: SIGTERM comes when the thread that called this has ended, however it
    ended. Elsewhere a process whose parent is killed runs on.
    """
    return subprocess.Popen(  # noqa: S603 - the command is the caller's own
        command.argv,
        env={**os.environ, **command.env},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=command.pass_fds,
        preexec_fn=lifeline(signal.SIGTERM),  # noqa: PLW1509 - it takes no lock
    )


class Child:
    """A running command whose output is relayed."""

    def __init__(self, command: Command, show: Callable[[str, str], None]) -> None:
        """Start `command`; `show` is called with its name and each line that it prints.

        Raises `OSError` where there is no such program, or no room for another process.
        """
        self.command = command
        self.started_at = time.monotonic()
        self.last_line = ""
        self._show = show
        self._rest = b""
        self._process = spawn(command, subprocess.PIPE)
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)

    @property
    def pid(self) -> int:
        """The process id, which is its session's too."""
        return self._process.pid

    @property
    def closed(self) -> bool:
        """Whether its output is read no more."""
        return self._output.closed

    def fileno(self) -> int:
        """Give the end of the pipe to wait for, as `select` asks for it."""
        return self._output.fileno()

    def exit_code(self) -> int | None:
        """Give the code that it ended with, negative for a signal; None while it runs."""
        return self._process.poll()

    def relay(self) -> bool:
        """Show the lines that have arrived; False once nobody can write any more.

        Its own children may hold the pipe, so this says nothing of whether the process has ended.
        """
        while True:
            try:
                data = os.read(self._output.fileno(), _READ_BYTES)
            except BlockingIOError:
                return True
            *lines, self._rest = (self._rest + data).split(b"\n")
            if not data or len(self._rest) > _READ_BYTES:  # the last line, or one without an end
                lines.append(self._rest)
                self._rest = b""
            for line in lines:
                self._print(line)
            if not data:
                return False

    def send(self, signal_number: int) -> None:
        """Signal the process; nothing happens where it has ended."""
        self._process.send_signal(signal_number)

    def close(self) -> None:
        """Read no more of its output."""
        self._output.close()

    def _print(self, line: bytes) -> None:
        if text := line.decode(errors="replace").rstrip():
            self.last_line = text
            self._show(self.command.name, text)
