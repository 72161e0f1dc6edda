"""Cursors: where a page of a list ended, as text that callers pass back as it is.

They hold the place of the last job, not its number, so they stay right while jobs come and go.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2s

from app.errors import InvalidCursor
from app.job_list import JobQuery

_VERSION = b"\x01"
_DIGEST = 4  # bytes; it tells mistakes, and protects nothing
_TEXT = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PLACE = re.compile(rb"[A-Za-z0-9_~-]{1,200}")


def cursor_at(place: str, query: JobQuery) -> str:
    """Make the cursor of the jobs behind this place."""
    return urlsafe_b64encode(_VERSION + _digest(query) + place.encode()).rstrip(b"=").decode()


def place_of(query: JobQuery) -> str | None:
    """Give the place behind which a page begins; None for the first one.

    Raises:
        InvalidCursor: it is none, or it was given for other filters.
    """
    if query.cursor is None:
        return None
    if not _TEXT.fullmatch(query.cursor) or len(query.cursor) % 4 == 1:
        raise InvalidCursor(reason="it is malformed")
    raw = urlsafe_b64decode(query.cursor + "=" * (-len(query.cursor) % 4))
    version, digest, place = raw[:1], raw[1 : 1 + _DIGEST], raw[1 + _DIGEST :]
    if version != _VERSION or not _PLACE.fullmatch(place):
        raise InvalidCursor(reason="it is malformed")
    if digest != _digest(query):
        raise InvalidCursor(reason="the filters are others than those that it came with")
    return place.decode()


def _digest(query: JobQuery) -> bytes:
    # The limit may change from page to page.
    filters = [sorted(set(query.status)), query.queue, query.task, sorted(set(query.label))]
    return blake2s(json.dumps(filters).encode(), digest_size=_DIGEST).digest()
