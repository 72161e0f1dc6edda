"""What this process prints and logs, heard beside where it goes."""

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

from rq.timeouts import JobTimeoutException

from app.logs import is_unconfigured, let_through

AT_ONCE = 1_048_576  # bytes that are made text at once
UNPRINTABLE = "(a record that cannot be written out: {reason})"

_formatter = logging.Formatter()


class Ear(Protocol):
    """Hears what is printed and logged."""

    def printed(self, stream: str, text: str) -> None:
        """Hear what was printed to `stdout` or `stderr`."""

    def logged(self, record: logging.LogRecord, text: str) -> None:
        """Hear what was logged, and its text, which may have several lines."""


class _Quiet(threading.local):
    """Whether a thread handles a log record: what is printed then is the same record again."""

    is_on = False


class Stream:
    """Stands for a standard stream: writes to it, and lets what was written be heard."""

    def __init__(self, target: Any, name: str, capture: "Capture") -> None:
        self._target = target
        self._name = name
        self._capture = capture

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def write(self, text: str) -> int:
        """Write, as the stream itself does."""
        written: int = self._target.write(text)
        self._capture.hear(self._name, text)
        return written

    def writelines(self, lines: Any) -> None:
        """Write each of them."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> "Binary":
        """The same stream for bytes."""
        return Binary(self._target.buffer, self._name, self._capture)


class Binary(Stream):
    """Stands for a standard stream of bytes."""

    def write(self, data: Any) -> int:
        """Write, as the stream itself does."""
        written: int = self._target.write(data)
        view = memoryview(data).cast("B")
        for start in range(0, len(view), AT_ONCE):
            self._capture.hear(self._name, str(view[start : start + AT_ONCE], "utf-8", "replace"))
        return written


class Capture:
    """Hears for the ear that `whose` gives at that moment; None: for nobody."""

    def __init__(self, whose: Callable[[], Ear | None]) -> None:
        self._whose = whose
        self._quiet = _Quiet()
        self._hears_logs = False
        # What `sys` had when they were last looked at. Not None at first, which `sys` may have.
        self.stdout: object = self
        self.stderr: object = self

    def listen(self) -> None:
        """Hear from now on; to be called again once somebody has replaced a standard stream."""
        for name in ("stdout", "stderr"):
            target = getattr(sys, name)
            if target is not None and not isinstance(target, Stream):
                setattr(sys, name, Stream(target, name, self))
        self.stdout, self.stderr = sys.stdout, sys.stderr
        if not self._hears_logs:
            self._hears_logs = True
            self._hear_logs()
            if is_unconfigured():  # RQ's own worker; its standard error has warnings alone still
                let_through(logging.INFO)

    def hear(self, stream: str, text: str) -> None:
        """Pass on what was printed."""
        if not self._quiet.is_on and (ear := self._whose()) is not None:
            ear.printed(stream, text)

    def _hear_logs(self) -> None:
        """Pass on each record that its logger lets through, whatever handlers there are.

        A handler at the root would miss the loggers that do not propagate, and be gone once a task
        configures logging.
        """
        call_handlers = logging.Logger.callHandlers

        def heard(log: logging.Logger, record: logging.LogRecord) -> None:
            ear = None if self._quiet.is_on else self._whose()
            if ear is None:
                call_handlers(log, record)
                return
            self._quiet.is_on = True
            try:
                ear.logged(record, text_of(record))
                call_handlers(log, record)
            finally:
                self._quiet.is_on = False

        logging.Logger.callHandlers = heard  # type: ignore[assignment, method-assign]


def text_of(record: logging.LogRecord) -> str:
    """Write a record out with its traceback; it never fails, as logging's own handlers do not."""
    try:
        parts = [record.getMessage()]
        if record.exc_info and record.exc_info[0]:
            parts.append(_formatter.formatException(record.exc_info))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
    except JobTimeoutException:  # a signal's, raised wherever we are
        raise
    except Exception as error:  # noqa: BLE001 - arguments that do not fit, a `__str__` that raises
        return UNPRINTABLE.format(reason=type(error).__name__)
    return "\n".join(parts)
