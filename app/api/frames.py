"""Server-sent events, as the HTML standard has them (section 9.2): frames of lines of text.

All data are JSON on one line: it escapes every control character, so nothing that a caller has sent
can begin a line of its own.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import pydantic_core
from pydantic import ValidationError

from app.errors import InvalidEventId
from app.models import ENDED, Job, Progress
from app.queue.event import Event, Position, position_of, written

JOB = "job"
END = "end"

RETRY = b"retry: 1000\n\n"
"""Milliseconds after which a browser comes back."""

_END_MARK = "-end"

EVENT_ID = r"^([0-9]{1,20}(-[0-9]{1,20}(-end)?)?)?$"
_LARGEST = 2**64 - 2  # Redis has one more, and refuses to look for what follows it


class LastId(NamedTuple):
    """The id of the last frame that a caller has had."""

    position: Position
    is_end: bool  # it was the end of a job


def last_id(text: str | None) -> LastId | None:
    """Read a `Last-Event-ID`; None where there is none.

    Raises:
        InvalidEventId: it is none of ours.
    """
    if not text:
        return None
    position = (
        position_of(text.removesuffix(_END_MARK))
        if re.match(EVENT_ID, text.replace("\n", "n"))
        else None
    )
    if position is None or max(position) > _LARGEST:
        raise InvalidEventId(event_id=text)
    return LastId(position, text.endswith(_END_MARK))


def job_frame(kind: str, job: Job, position: Position) -> bytes:
    """Write a whole job. The id of its end is marked: who comes back with it has had everything."""
    event_id = written(position) + (_END_MARK if kind == END else "")
    return _frame(kind, job.__pydantic_serializer__.to_json(job), event_id)


@lru_cache(maxsize=256)  # a thousand streams have the same event
def event_frame(event: Event) -> bytes:
    """Write an event; nothing for one that says nothing to callers."""
    event_id = written(event.position) if event.position else None
    if event.progress is not None:
        try:
            progress = Progress.model_validate_json(event.progress)
        except ValidationError:  # not what this service writes
            return b""
        return _frame("progress", _json({"job": event.job, "progress": progress}), event_id)
    if event.status is None:
        return b""
    shown = {
        "job": event.job,
        "status": event.status,
        "task": event.task,
        "queue": event.queue,
        "labels": event.labels,
        "at": datetime.fromtimestamp(event.at, UTC),
    }
    return _frame("status", _json(shown), event_id)


def frame_in_job(event: Event) -> bytes:
    """Write an event of a job's own stream.

    Its last one has no id. The end that follows has it, so who missed the end is sent it again.
    """
    if event.status in ENDED and event.position is not None:
        event = event._replace(position=None, seen_at=event.at)
    return event_frame(event)


def gap_frame(asked: Position, oldest: Position) -> bytes:
    """Say that what followed an id is not all kept any more."""
    return _frame("gap", _json({"after": written(asked), "oldest": written(oldest)}), None)


def keep_alive(position: Position) -> bytes:
    """Write what keeps a connection open, and moves the caller's last id on."""
    return f": keep-alive\nid: {written(position)}\n\n".encode()


def here(position: Position) -> bytes:
    """Tell the id from which on there is news; no event comes of it in a browser."""
    return f"id: {written(position)}\n\n".encode()


def _frame(kind: str, data: bytes, event_id: str | None) -> bytes:
    id_line = f"id: {event_id}\n" if event_id is not None else ""
    return f"event: {kind}\n{id_line}data: ".encode() + data + b"\n\n"


def _json(value: Any) -> bytes:
    return pydantic_core.to_json(value)
