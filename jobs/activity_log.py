"""Count one day of the API's activity log, as a stream: the log may be larger than memory."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date
from pathlib import Path

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    NonNegativeFloat,
    NonNegativeInt,
    ValidationError,
)

LONGEST_LINE = 64 * 1024
"""Bytes; a longer line is broken, and memory is not spent on it."""

MOST_ROUTES = 1000
"""Rows kept apart. Where no route matches, the path stands in, and strangers choose paths."""

LONGEST_NAME = 200
"""Characters of a route's name."""


class ActivityLogMissingError(Exception):
    """There is no activity log where TASK_API_ACTIVITY_LOG says.

    The API writes it on its own machine: let the worker read that file, or set the variable.
    """


class Record(BaseModel):
    """What the report takes from one line of the log."""

    model_config = ConfigDict(allow_inf_nan=False)

    time: AwareDatetime
    method: str
    route: str | None
    path: str
    status: int
    duration: NonNegativeFloat
    bytes: NonNegativeInt


@dataclass
class Tally:
    """How many responses, how long they took in seconds, and how large they were in bytes."""

    count: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    bytes: int = 0

    @property
    def mean(self) -> float:
        """Seconds that a response took on average."""
        return self.seconds / self.count if self.count else 0.0

    @property
    def succeeded(self) -> int:
        """Responses of 1xx to 3xx."""
        return self.count - self.refused - self.failed

    def add(self, record: Record) -> None:
        """Count one response."""
        self.count += 1
        self.refused += 400 <= record.status < 500
        self.failed += record.status >= 500
        self.seconds += record.duration
        self.slowest = max(self.slowest, record.duration)
        self.bytes += record.bytes


@dataclass
class DayCounts:
    """The responses of one day (UTC), in total, by hour, by status and by route."""

    day: date
    total: Tally = field(default_factory=Tally)
    hours: list[Tally] = field(default_factory=lambda: [Tally() for _ in range(24)])
    statuses: defaultdict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    routes: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    broken_lines: int = 0

    def add(self, record: Record) -> None:
        """Count one response, if it is of this day."""
        moment = record.time.astimezone(UTC)
        if moment.date() != self.day:
            return
        name = f"{record.method} {record.route or record.path}"[:LONGEST_NAME]
        if name not in self.routes and len(self.routes) >= MOST_ROUTES:
            name = "(others)"
        counted = self.total, self.hours[moment.hour], self.statuses[record.status]
        for tally in (*counted, self.routes[name]):
            tally.add(record)


def count_day(log: Path, day: date) -> DayCounts:
    """Read the whole log once. Lines that are broken or half-written, of any day, are counted.

    Raises:
        ActivityLogMissingError: the file does not exist.
        OSError: it cannot be read; trying again may help.

    """
    counts = DayCounts(day)
    try:
        for line in _lines(log):
            try:
                counts.add(Record.model_validate_json(line))
            except ValidationError:
                counts.broken_lines += 1
    except FileNotFoundError as error:
        message = f"{log.absolute()}: {ActivityLogMissingError.__doc__}"
        raise ActivityLogMissingError(message) from error
    return counts


def _lines(log: Path) -> Iterator[bytes]:
    with log.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            yield line
            while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE)  # the rest of a line that is too long
