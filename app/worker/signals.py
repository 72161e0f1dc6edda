"""The signals that a supervisor hears: all of them wake its loop, and some tell it to end."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType

TWICE_BY_MISTAKE = 1.0  # seconds; a terminal and a pool may both pass on the same Ctrl-C

_HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)


class Signals:
    """Whether the worker was told to end, and how long its job may still run."""

    def __init__(self, grace: float) -> None:
        self._grace = grace  # seconds
        self._told_at: float | None = None  # on the monotonic clock
        self._at_once = False

    @property
    def must_end(self) -> bool:
        """Whether the worker was told to end."""
        return self._told_at is not None

    @property
    def is_out_of_time(self) -> bool:
        """Whether it was, and the running job's grace is over; being told again ends that."""
        if self._told_at is None:
            return False
        return self._at_once or time.monotonic() > self._told_at + self._grace

    @contextlib.contextmanager
    def heard(self) -> Iterator[int]:
        """Hear them, and put back what was there before; each makes this descriptor readable."""
        hear, wake = os.pipe()
        for descriptor in (hear, wake):
            os.set_blocking(descriptor, False)
        before = {number: signal.signal(number, self._on_signal) for number in _HEARD}
        woken_before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        try:
            yield hear
        finally:
            signal.set_wakeup_fd(woken_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(hear)
            os.close(wake)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return  # it only has to wake the loop
        now = time.monotonic()
        if self._told_at is None:
            self._told_at = now
        elif now - self._told_at > TWICE_BY_MISTAKE:
            self._at_once = True
