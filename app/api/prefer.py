"""What a caller prefers (RFC 7240); of all preferences, `wait=N` alone is understood here."""

import re
from collections.abc import Iterator
from typing import Any

from starlette.types import Scope

PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: answer once the job has ended, or after N seconds, of 60 at most",
    "schema": {"type": "string", "examples": ["wait=10"]},
}
"""The header, as the OpenAPI document has it."""

PREFERENCE_APPLIED: dict[str, Any] = {
    "Preference-Applied": {
        "description": "`wait=N`, where the answer has waited up to so many seconds",
        "schema": {"type": "string"},
    }
}

LONGEST_WAIT = 60  # seconds; whoever asks for more gets these

# One preference of a list: a token, perhaps with a value, perhaps with parameters behind it.
_WORD = r'(?:[!#$%&\'*+.^_`|~0-9A-Za-z-]+|"(?:[^"\\]|\\.)*")'
_PAIR = re.compile(rf"[ \t]*([^\s=;,\"]+)(?:[ \t]*=[ \t]*({_WORD})?)?[ \t]*")
_PART = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"|")*')
_SECONDS = re.compile(r"[0-9]+", re.ASCII)


def preferred_wait(scope: Scope) -> int | None:
    """Give the seconds that a caller would wait for the end; None where it says none, or nonsense.

    As the RFC has it, the first of several counts, and what is not understood is ignored.
    """
    given = [value for name, value in scope["headers"] if name == b"prefer"]
    if not given:
        return None
    for name, value in _preferences(b",".join(given).decode("latin-1")):
        if name == "wait":
            return min(int(value[:9]), LONGEST_WAIT) if _SECONDS.fullmatch(value) else None
    return None


def applied(seconds: int) -> tuple[bytes, bytes]:
    """Give the header that says how long the answer was allowed to wait."""
    return b"preference-applied", f"wait={seconds}".encode()


def _preferences(text: str) -> Iterator[tuple[str, str]]:
    """Give each preference of the list with its value; parameters mean nothing here."""
    for part in _PART.findall(text):
        if found := _PAIR.match(part):
            name, value = found[1].lower(), found[2] or ""
            rest = part[found.end() :]
            if not rest or rest.startswith(";"):
                yield name, _unquoted(value)
            else:
                yield name, ""


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') else word
