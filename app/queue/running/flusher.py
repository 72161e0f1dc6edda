"""The thread that sends what running jobs say of themselves, a few times a second."""

import os
import queue
import threading
import time
from typing import Protocol

LINGER = 0.05  # seconds from the first word until it is sent; a short job's end is sooner
PAUSE = 0.2  # seconds more until the next, so that a job writes four times a second at the most
IDLE = 5.0  # seconds without a word after which the thread ends


class Source(Protocol):
    """What has something to be sent."""

    @property
    def is_over(self) -> bool:
        """Whether nothing will ever come from it again."""

    def flush_quietly(self) -> None:
        """Send what there is; never raises."""


class Flusher:
    """Sends for all sources of this process; its thread runs while there are any."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._sources: list[Source] = []
        self._called = False
        self._begin_anew()

    def add(self, source: Source) -> None:
        """Send for a source until it is over."""
        if self._pid != os.getpid():
            self._begin_anew()
        with self._lock:
            self._sources.append(source)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()

    def remove(self, source: Source) -> None:
        """Forget a source that is over."""
        with self._lock:
            if source in self._sources:
                self._sources.remove(source)

    def call(self) -> None:
        """Have what there is sent soon; where that is so already, this costs next to nothing."""
        if not self._called:
            self._called = True
            self._calls.put(None)

    @property
    def is_own_thread(self) -> bool:
        """Whether it is the flusher that asks."""
        return threading.current_thread() is self._thread

    def _begin_anew(self) -> None:
        # A forked process has no such thread, and locks that nobody there would ever set free.
        self._pid = os.getpid()
        self._lock = threading.RLock()
        # One put may interrupt another: a signal's handler may print.
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._called = False
        self._sources = []
        self._thread = None

    def _run(self) -> None:
        while self._wait():
            time.sleep(LINGER)
            self._called = False
            for source in tuple(self._sources):
                source.flush_quietly()
                if source.is_over:
                    self.remove(source)
            time.sleep(PAUSE)

    def _wait(self) -> bool:
        """Wait for a word; says no where there was none for long, and no source is left."""
        while True:
            try:
                self._calls.get(timeout=IDLE)
            except queue.Empty:
                with self._lock:
                    if not self._sources and self._calls.empty():
                        self._thread = None
                        return False
            else:
                return True
