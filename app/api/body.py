"""The body of a request, read no further than it may be, and refused where it is no plain JSON."""

import json
import re

import pydantic_core
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from app.errors import BodyTooLarge, MalformedBody, UnsupportedContentType

# What JSON (RFC 8259) does not know and a lenient parser takes: NaN and infinity, by name or by a
# number too large for a double (1.8e308). A body that may hold one is looked at closely: one with
# an exponent of three digits, or with so many digits that a shorter exponent is enough.
_SUSPECT = re.compile(rb"NaN|Infinity|[eE]\+?[0-9]{3}|[0-9]{200}")


async def read_json_bytes(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read the body; an empty one stands for no arguments, `{}`.

    Raises:
        BodyTooLarge: before more than `limit` bytes were read.
        UnsupportedContentType: it is not said to be JSON.
        MalformedBody: it holds what JSON does not know. Whether it is JSON at all is left to the
            validator, which reads it once.
    """
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise BodyTooLarge(limit=limit)
    content_type = headers.get(b"content-type", b"")
    body = await _read(receive, limit)
    if not body:
        return b"{}"
    if content_type != b"application/json" and not _is_json(content_type.decode("latin-1")):
        raise UnsupportedContentType(content_type=content_type.decode("latin-1"))
    if _SUSPECT.search(body):
        _check_strictly(body)
    return body


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()  # bytes would be copied at each of a million tiny chunks
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge(limit=limit)
        if not message.get("more_body", False):
            return bytes(body)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def _check_strictly(body: bytes) -> None:
    try:
        json.dumps(pydantic_core.from_json(body, allow_inf_nan=False), allow_nan=False)
    except ValueError as error:
        raise MalformedBody(reason=error) from error
