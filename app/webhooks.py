"""Standard Webhooks 1.0: `verify` for those who receive callbacks, `sign` for us who send them.

It needs Python's own library alone, its errors included: a receiver without this package may take
this one file. The specification: https://github.com/standard-webhooks/standard-webhooks.
"""

import binascii
import hmac
import json
import re
import secrets as randomness
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

PREFIX = "whsec_"
SHORTEST_SECRET = 24  # bytes, as the specification has it
LONGEST_SECRET = 64
TOLERANCE = 300.0  # seconds that a receiver's clock may be off, and a message may be on its way

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class WebhookError(Exception):
    """The message is not to be trusted."""


class MissingHeader(WebhookError):
    """A header is missing: webhook-id, webhook-timestamp or webhook-signature."""


class WrongTimestamp(WebhookError):
    """The timestamp is no number, or too far from this machine's clock: perhaps a replay."""


class WrongSignature(WebhookError):
    """No signature fits: the body was changed, or the secret is another one.

    Was the body taken as it came, before anybody parsed it?
    """


class UnreadableBody(WebhookError):
    """The message is signed rightly and is no JSON."""


class InvalidSecret(ValueError):
    """The secret is not `whsec_` and 24 to 64 bytes in base64."""


class Headers(Protocol):
    """Any mapping of header names to values, in whatever case."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Give the names and values."""


def verify(
    body: bytes | str,
    headers: Headers,
    secrets: str | Iterable[str],
    tolerance: float = TOLERANCE,
) -> Any:
    """Give what a message says, parsed from JSON, once it is known whose it is.

    Args:
        body: the request's body, byte for byte as it came.
        headers: the request's headers.
        secrets: the secret, `whsec_…`, or several of them; one that fits is enough.
        tolerance: seconds that the timestamp may be off this machine's clock, either way.

    Raises:
        WebhookError: it is not to be trusted; answer 400. Its subclass and its text say why.
        InvalidSecret: one of the secrets is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id = given["webhook-id"]
        timestamp = given["webhook-timestamp"]
        signatures = given["webhook-signature"]
    except KeyError as error:
        raise MissingHeader(f"the header {error} is missing") from None
    content = body.encode() if isinstance(body, str) else body
    _check_timestamp(timestamp, tolerance)
    keys = [key_of(secret) for secret in _each(secrets)]
    if not _fits(signatures, [_digest(key, message_id, timestamp, content) for key in keys]):
        raise WrongSignature("no signature of the message fits a secret")
    try:
        return json.loads(content)
    except ValueError as error:
        raise UnreadableBody(f"the body is no JSON: {error}") from error


def sign(message_id: str, timestamp: int, body: bytes, secrets: str | Iterable[str]) -> str:
    """Give the header `webhook-signature`: one signature for each secret, separated by spaces.

    Raises:
        InvalidSecret: one of the secrets is none.
    """
    keys = [key_of(secret) for secret in _each(secrets)]
    digests = [_digest(key, message_id, str(timestamp), body) for key in keys]
    return " ".join(f"v1,{b64encode(digest).decode()}" for digest in digests)


def new_secret() -> str:
    """Make a secret of 32 random bytes."""
    return PREFIX + b64encode(randomness.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """Give the bytes of a secret; its prefix and its padding may be missing.

    Raises:
        InvalidSecret: it is no base64, or of the wrong length. The text does not hold it.
    """
    text = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSecret("a secret is whsec_ and base64") from None
    if not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise InvalidSecret(
            f"a secret has {SHORTEST_SECRET} to {LONGEST_SECRET} bytes, this one {len(key)}"
        )
    return key


def _each(secrets: str | Iterable[str]) -> Iterator[str]:
    yield from [secrets] if isinstance(secrets, str) else secrets


def _digest(key: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    return hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")


def _fits(signatures: str, right: list[bytes]) -> bool:
    """Compare each with each, in a time that tells nothing of how much of one is right."""
    fits = False
    for signature in signatures.split():
        version, _, value = signature.partition(",")
        if version == "v1":
            for digest in right:
                fits |= hmac.compare_digest(value.encode(), b64encode(digest))
    return fits


def _check_timestamp(timestamp: str, tolerance: float) -> None:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise WrongTimestamp("the timestamp is no number of seconds since 1970")
    off = time.time() - int(timestamp)
    if abs(off) > tolerance:
        kind = "old" if off > 0 else "new"
        raise WrongTimestamp(f"the timestamp is {abs(off):.0f} s too {kind} for this clock")
