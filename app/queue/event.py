"""One event of a job: an entry of the stream, or a change that was seen and has left no entry."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pydantic_core

from app.models import ENDED
from app.queue import keys

DELETED = "deleted"  # the status that its last event gives a job which somebody has deleted

MOST_EVENTS = 100_000  # that the stream keeps, give or take a block; `changes.lua` says the same

Position = tuple[int, int]
"""A place in the stream: milliseconds of the epoch, and a count within one."""

START: Position = (0, 0)

NEWEST = ("XREVRANGE", keys.EVENTS, "+", "-", "COUNT", 1)
"""The command that gives the last entry; `position_of_first` reads its reply."""

_JOB = b"job"


class Event(NamedTuple):
    """What has happened to a job: its status changed, or it told its progress."""

    position: Position | None  # None where the stream has no entry for it
    job: str
    status: str | None  # None for progress, and for a job that is gone
    task: str
    queue: str
    labels: tuple[str, ...]
    progress: str | None = None  # JSON
    seen_at: float = 0.0  # seconds of the epoch, where there is no entry

    @property
    def at(self) -> float:
        """When it happened, in seconds of the epoch."""
        return self.position[0] / 1000 if self.position else self.seen_at

    @property
    def is_last(self) -> bool:
        """Whether it says that the job has ended, or is gone."""
        return self.status in ENDED or self.is_gone

    @property
    def is_gone(self) -> bool:
        """Whether it says that there is no such job any more."""
        return self.status == DELETED or (self.status is None and self.progress is None)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are wanted: any of the statuses, each of the labels; what is empty fits all."""

    statuses: frozenset[str] = frozenset()
    queue: str | None = None
    task: str | None = None
    labels: frozenset[str] = frozenset()

    def fits(self, event: Event) -> bool:
        """Say whether an event is wanted."""
        return (
            (not self.statuses or event.status in self.statuses)
            and (self.queue is None or event.queue == self.queue)
            and (self.task is None or event.task == self.task)
            and self.labels.issubset(event.labels)
        )


def job_of(fields: Sequence[bytes]) -> bytes:
    """Give the id of the job that an entry is about; every one of ours begins with it."""
    return fields[1] if fields and fields[0] == _JOB else b""


def read_event(entry_id: bytes, fields: Sequence[bytes]) -> Event:
    """Read an entry, its fields name after value as Redis gives them."""
    text = [part.decode(errors="replace") for part in fields]
    named = dict(zip(text[::2], text[1::2], strict=True))
    return Event(
        position_of(entry_id.decode()),
        named.get("job", ""),
        named.get("status"),
        named.get("task", ""),
        named.get("queue", ""),
        _labels(named.get("labels")),
        named.get("progress"),
    )


def seen_event(job_id: str, fields: Sequence[bytes | None]) -> Event:
    """Make an event of what a job's hash says now: status, description, origin and labels."""
    status, task, queue, labels = (
        None if field is None else field.decode(errors="replace") for field in fields
    )
    return Event(None, job_id, status, task or "", queue or "", _labels(labels), None, time.time())


def position_of(text: str) -> Position:
    """Read an id of the stream, as Redis writes it."""
    milliseconds, _, count = text.partition("-")
    return int(milliseconds), int(count or 0)


def written(position: Position) -> str:
    """Write a position as an id of the stream."""
    return f"{position[0]}-{position[1]}"


def position_of_first(reply: Sequence[Any]) -> Position:
    """Give the position of the first entry of a reply; `START` where it has none."""
    return position_of(reply[0][0].decode()) if reply else START


def _labels(text: str | None) -> tuple[str, ...]:
    try:
        return tuple(map(str, pydantic_core.from_json(text))) if text else ()
    except (ValueError, TypeError):  # not what we write
        return ()
