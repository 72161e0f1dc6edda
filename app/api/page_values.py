"""How a page shows values: JSON, sentences, times and spans; the filters of the templates."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

LONGEST_TEXT = 20_000  # characters of a result or of arguments; the rest is a link away

_PIECE = re.compile(r"`([^`]+)`|\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)")


class Excerpt(NamedTuple):
    """A text of which a page shows so much."""

    text: str
    is_cut: bool


class Piece(NamedTuple):
    """A part of a sentence of ours: a command to be typed, a time, or neither."""

    text: str
    is_code: bool = False
    moment: datetime | None = None


def excerpt(value: Any) -> Excerpt:
    """Give a value of JSON, a text as it is, no longer than a page can bear."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return Excerpt(text[:LONGEST_TEXT], len(text) > LONGEST_TEXT)


def pieces(sentence: str) -> Iterator[Piece]:
    """Take a sentence apart: what it has between backquotes, and its times, are shown as such."""
    end = 0
    for found in _PIECE.finditer(sentence):
        yield Piece(sentence[end : found.start()])
        code, moment = found.groups()
        yield Piece(code, is_code=True) if code else Piece(moment, moment=_moment(moment))
        end = found.end()
    yield Piece(sentence[end:])


def utc(moment: datetime) -> str:
    """Show a time to who has no script, which shows it in the reader's own zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(moment: datetime) -> str:
    """Give a time to the script."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(length: timedelta) -> str:
    """Say how long something took."""
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None  # an error's message may hold what only looks like a time
