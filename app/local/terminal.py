"""The lines that `make up` prints: one prefix a process, aligned, coloured on a terminal only."""

import io
import os
from collections.abc import Sequence
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # ANSI foregrounds, readable on dark and light
_PLAIN = "\x1b[0m"


class Terminal:
    """Where the output of several processes is printed side by side."""

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        """Print to `stream` for the processes `names`, in whose order the colours are given.

        `NO_COLOR` in the environment turns colours off (https://no-color.org).
        """
        self._stream = stream
        self._width = max(map(len, names))
        self._colours = (
            {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
            if stream.isatty() and not os.environ.get("NO_COLOR")
            else {}
        )
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a child may print what this locale cannot

    def line(self, name: str, text: str) -> None:
        """Print a line of the process `name`."""
        prefix = f"{name:<{self._width}} |"
        colour = self._colours.get(name)
        self.text(f"\x1b[{colour}m{prefix}{_PLAIN} {text}" if colour else f"{prefix} {text}")

    def text(self, text: str) -> None:
        """Print without a prefix, for what is to be copied.

        A reader that has gone away (`make up | head`) ends the printing, not the service.
        """
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except BrokenPipeError:
            # The stream keeps what it could not write, and fails on it again at exit.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
