"""The Idempotency-Key of a request: answered once, however often it is sent.

To draft-ietf-httpapi-idempotency-key-header-07 of the IETF. A key belongs to its caller and to the
route; what was answered is remembered in Redis, written in the same step as the job. That a first
request is still in flight is known to its own process alone: to any other, it is either remembered
already, or it has not changed anything yet.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pydantic_core
from pydantic import BaseModel
from starlette.types import Scope

from app.errors import IdempotencyKeyInFlight, InvalidIdempotencyKey
from app.queue import keys
from app.queue.accept import Once

HEADER = "Idempotency-Key"
REPLAYED = (b"idempotent-replayed", b"true")
"""Says that the answer is the first one's. The draft names no such header; Stripe's API does."""

ANONYMOUS = "anonymous"  # whose the requests are where nobody has a name
LONGEST_KEY = 255  # characters

# A string of RFC 9651 (structured fields), section 3.3.3, and parameters, which say nothing to us.
_QUOTED = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\])*)"(?:[ \t]*;[ -~]*)?')
_BARE = re.compile(rb"[!#-~][ -~]*")
_ESCAPED = re.compile(rb'\\(["\\])')

_WITHOUT_KEY: AbstractContextManager[None] = nullcontext()


class Idempotency:
    """The keys of one process's requests."""

    def __init__(self, remember_for: int) -> None:
        self._remember_for = remember_for  # seconds
        self._in_flight: set[str] = set()

    def hold(
        self, scope: Scope, route: str, request: Mapping[str, Any]
    ) -> AbstractContextManager[Once | None]:
        """Have a request's key in flight; gives what it is remembered by, None without a key.

        Args:
            scope: the request.
            route: the kind of what it makes; a key on another route is another key.
            request: all that makes it the same request as another one.

        Raises:
            InvalidIdempotencyKey, IdempotencyKeyInFlight.
        """
        key = key_of(scope)
        if key is None:
            return _WITHOUT_KEY
        record = keys.idempotency(scope["state"].get("caller", ANONYMOUS), route, key)
        return self._hold(record, request)

    @contextmanager
    def _hold(self, record: str, request: Mapping[str, Any]) -> Iterator[Once]:
        if record in self._in_flight:
            raise IdempotencyKeyInFlight
        self._in_flight.add(record)
        try:
            yield Once(record, fingerprint(request), self._remember_for)
        finally:
            self._in_flight.discard(record)


def key_of(scope: Scope) -> str | None:
    """Read the key, quoted as the draft has it, or bare; None where there is no such header.

    Raises:
        InvalidIdempotencyKey: it is none.
    """
    found = [value for name, value in scope["headers"] if name == b"idempotency-key"]
    if not found:
        return None
    if len(found) > 1:
        raise InvalidIdempotencyKey(reason="it is given more than once")
    [value] = found
    value = value.strip(b" \t")
    if quoted := _QUOTED.fullmatch(value):
        value = _ESCAPED.sub(rb"\1", quoted[1])
    elif not _BARE.fullmatch(value):
        raise InvalidIdempotencyKey(reason=_what_is_wrong(value))
    if not 1 <= len(value) <= LONGEST_KEY:
        raise InvalidIdempotencyKey(reason=f"it has {len(value)} characters")
    key: str = value.decode("ascii")
    return key


def fingerprint(request: Mapping[str, Any]) -> str:
    """Give the same digest for the same request, however its JSON is spaced and ordered."""
    plain = {
        name: part.model_dump(mode="json", exclude_defaults=True)
        if isinstance(part, BaseModel)
        else pydantic_core.from_json(part)
        if isinstance(part, bytes)
        else part
        for name, part in request.items()
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _what_is_wrong(value: bytes) -> str:
    if not value:
        return "it is empty"
    if value.startswith(b'"'):
        return "its quotes are not those of a structured field's string"
    return "it holds what is no printable ASCII character"
