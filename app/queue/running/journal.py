"""What one attempt of a job says of itself, kept here until it is sent to Redis in batches."""

import json
import logging
import os
import threading
import time
from collections import deque
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

from redis.exceptions import RedisError
from rq.job import Job as RQJob

from app.queue import keys
from app.queue.attempts import number_of
from app.queue.running.flusher import Flusher
from app.queue.running.lines import MOST_BYTES, MOST_LINES, fit, split
from app.queue.scripts import script

LONGEST_NAME = 200  # bytes of a logger's name, or a level's
MOST_BEGUN = 100  # lines that are begun at once, by as many threads
LONGEST_AWAY = 30.0  # seconds after the attempt that Redis is waited for

logger = logging.getLogger("task_api.journal")


class Line(NamedTuple):
    """A line that was logged or printed."""

    time: float  # epoch seconds
    level: str | None
    stream: str | None
    logger: str | None
    message: str


class Report(NamedTuple):
    """How far the job is."""

    time: float  # epoch seconds
    percent: float
    message: str | None


class Batch(NamedTuple):
    """What is sent at once; again under its number, should the answer be lost."""

    number: str
    report: Report | None
    dropped: int  # lines before these, which the log would not have kept
    lines: tuple[Line, ...]


class Journal:
    """Takes words from any thread, at any time, and never holds more than the log may."""

    def __init__(self, job: RQJob, flusher: Flusher) -> None:
        """Make one that asks this flusher to send; it has to be added to it as well."""
        self._job = job
        self._attempt = number_of(job)
        self._keys = [keys.job(job.id), keys.log(job.id)]
        self._script = job.connection.register_script(script("journal"))
        self._flusher = flusher
        self._lock = threading.RLock()  # a handler of signals may print in the middle of a print
        self._sending = threading.RLock()
        prefix = os.urandom(6).hex()
        self._numbers = (f"{prefix}.{number}" for number in count(1))
        # Only the last one matters.
        self._reports: deque[tuple[float, float, str | None]] = deque(maxlen=1)
        self._dropped = 0
        self._lines: deque[Line] = deque()
        self._characters = 0
        self._begun: dict[tuple[str, int], str] = {}  # by stream and thread
        self._batch: Batch | None = None
        self._closed_at: float | None = None  # on the monotonic clock
        self._is_deaf = False  # the job is gone, or another worker has it

    def report(self, percent: float, message: str | None) -> None:
        """Take how far the job is; what was said before and is not sent yet is forgotten."""
        self._reports.append((time.time(), percent, message))
        self._flusher.call()

    def printed(self, stream: str, text: str) -> None:
        """Take what was printed; a line is one once it is complete."""
        writer = stream, threading.get_ident()
        with self._lock:
            passed, lines, begun = split(self._begun.pop(writer, ""), text)
            if begun:
                self._begun[writer] = begun
            self._drop(passed)
            now = time.time()
            for line in lines:
                self._take(Line(now, None, stream, None, line))
            if len(self._begun) > MOST_BEGUN:
                self._complete()
        if lines:
            self._flusher.call()

    def logged(self, record: logging.LogRecord, text: str) -> None:
        """Take what was logged, a line for each line of its text."""
        passed, lines, _ = split("", text + "\n")
        with self._lock:
            self._drop(passed)
            for line in lines:
                self._take(Line(record.created, record.levelname, None, record.name, line))
        self._flusher.call()

    def close(self) -> None:
        """Send what there is as the attempt ends.

        Where Redis is away, the flusher goes on for a while, and the attempt is not held up.
        """
        self._closed_at = time.monotonic()
        with self._lock:
            self._complete()
        try:
            while not self._is_empty:
                self.flush()
        except (RedisError, OSError):
            self._flusher.call()
        else:
            self._flusher.remove(self)

    def flush(self) -> None:
        """Send what there is.

        Raises:
            redis.exceptions.RedisError, OSError: Redis is away; it is sent the next time.
        """
        with self._sending:
            batch = self._batch = self._batch or self._next_batch()
            if batch is None:
                return
            kept = self._script(keys=self._keys, args=self._arguments(batch))
            self._batch = None
            if not kept:
                self._is_deaf = True
            elif batch.lines:
                self._job.__dict__["has_log"] = True

    def flush_quietly(self) -> None:
        """Send what there is, from the flusher's thread; what fails is tried again."""
        try:
            self.flush()
        except (RedisError, OSError) as error:
            if not self.is_over:
                self._flusher.call()
            elif not self._is_empty:
                logger.warning("job.log_lost id=%s error=%s", self._job.id, error)
        except Exception:
            self._is_deaf = True
            logger.exception("job.log_lost id=%s", self._job.id)

    @property
    def is_over(self) -> bool:
        """Whether nothing will ever come from it again."""
        if self._closed_at is None:
            return self._is_deaf
        return self._is_empty or time.monotonic() > self._closed_at + LONGEST_AWAY

    @property
    def _is_empty(self) -> bool:
        return self._is_deaf or not (self._batch or self._reports or self._lines)

    def _take(self, line: Line) -> None:
        if self._is_deaf:
            return
        self._lines.append(line)
        self._characters += len(line.message)
        while len(self._lines) > MOST_LINES or self._characters > MOST_BYTES:
            self._characters -= len(self._lines.popleft().message)
            self._dropped += 1

    def _drop(self, passed: int) -> None:
        """Forget the lines before those that were passed over."""
        if passed:
            self._dropped += passed + len(self._lines)
            self._lines.clear()
            self._characters = 0

    def _complete(self) -> None:
        """Take the lines that are begun as they are."""
        now = time.time()
        for (stream, _), begun in self._begun.items():
            line = begun.removesuffix("\r")
            self._take(Line(now, None, stream, None, line[line.rfind("\r") + 1 :]))
        self._begun.clear()

    def _next_batch(self) -> Batch | None:
        with self._lock:
            if self._is_empty:
                return None
            report = Report(*self._reports.pop()) if self._reports else None
            batch = Batch(next(self._numbers), report, self._dropped, tuple(self._lines))
            self._lines.clear()
            self._characters = 0
            if batch.lines:
                self._dropped = 0
        return batch

    def _arguments(self, batch: Batch) -> list[Any]:
        return [
            self._job.id,
            self._job.worker_name or "",
            batch.number,
            _as_json(batch.report) if batch.report else "",
            MOST_LINES,
            MOST_BYTES,
            batch.dropped,
            *(self._as_json(line) for line in batch.lines),
        ]

    def _as_json(self, line: Line) -> str:
        level, name = (each and fit(each, LONGEST_NAME) for each in (line.level, line.logger))
        return json.dumps(
            {
                "time": _moment(line.time),
                "attempt": self._attempt,
                "level": level,
                "stream": line.stream,
                "logger": name,
                "message": fit(line.message),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def _as_json(report: Report) -> str:
    message = report.message and fit(report.message)
    updated_at = _moment(report.time)
    return json.dumps({"percent": report.percent, "message": message, "updated_at": updated_at})


def _moment(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
