"""One JSON line for each response, written by a BackgroundTask once the response is out.

The line is put on a bounded queue and a thread of its own writes it, so that neither a slow disk
nor a slow client holds anything up. What cannot be written is counted, never waited for.
"""

import logging
import os
import threading
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pydantic_core

MOST_WAITING = 10_000  # lines; more are dropped, and counted
GATHER = 0.02  # seconds for which lines are gathered before they are written

logger = logging.getLogger("task_api.activity")


class Record(NamedTuple):
    """What is kept of one response; times in seconds."""

    time: float  # of the epoch
    request_id: str
    method: str
    route: str | None
    path: str
    status: int
    duration: float
    size: int  # of the body, in bytes
    caller: str | None
    job_id: str | None

    def line(self) -> bytes:
        """Write it out as one line of JSON."""
        begun = datetime.fromtimestamp(self.time, UTC).replace(tzinfo=None)
        shown = {
            "time": begun.isoformat(timespec="milliseconds") + "Z",
            "request_id": self.request_id,
            "method": self.method,
            "route": self.route,
            "path": self.path,
            "status": self.status,
            "duration": round(self.duration, 6),
            "bytes": self.size,
            "caller": self.caller,
            "job_id": self.job_id,
        }
        return pydantic_core.to_json(shown) + b"\n"


class ActivityLog:
    """The file of the records, and the thread that writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self.dropped = 0
        self._waiting: deque[Record] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._failing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread that writes."""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="activity", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    async def add(self, record: Record) -> None:
        """Take a record; it is written soon, or dropped and counted where too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(record)
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            # Under load many lines are written at once: a thread that wakes for each one would
            # take the interpreter from the requests as often.
            if not self._closing:
                time.sleep(GATHER)
            self._wake.clear()
            closing = self._closing
            while self._waiting:
                self._write([self._waiting.popleft() for _ in range(min(len(self._waiting), 500))])
            if closing:
                return

    def _write(self, records: list[Record]) -> None:
        lines = b"".join([record.line() for record in records])
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Opened anew for each batch: the file may have been rotated away.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            try:
                _append(descriptor, lines)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.dropped += len(records)
            if not self._failing:
                logger.error("activity.not_written path=%s error=%s", self.path, error)  # noqa: TRY400 - no trace
            self._failing = True
        else:
            self.written += len(records)
            self._failing = False


def _append(descriptor: int, lines: bytes) -> None:
    """Append all of the lines or none: half a line would spoil the one after it."""
    size = os.fstat(descriptor).st_size
    written = os.write(descriptor, lines)
    if written < len(lines):
        os.ftruncate(descriptor, size)
        raise OSError(f"only {written} of {len(lines)} bytes fitted")
