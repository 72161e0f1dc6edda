"""Which form a caller wants: one address answers in several (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Sequence

from starlette.types import Scope

JSON = "application/json"
HTML = "text/html"
EVENT_STREAM = "text/event-stream"

_UNACCEPTABLE = 0.0
_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?", re.ASCII)


def wanted(scope: Scope, offered: Sequence[str]) -> str:
    """Give the offered type that a request likes best, the first of them where it is all one."""
    ranges = [
        part
        for name, value in scope["headers"]
        if name == b"accept"
        for part in value.decode("latin-1").split(",")
    ]
    return preferred(ranges, offered) if ranges else offered[0]


def preferred(ranges: Sequence[str], offered: Sequence[str]) -> str:
    """Choose by the media ranges of an Accept header; what fits none of them gets the first."""
    weights = dict(_weighed(each) for each in ranges)
    best = max(offered, key=lambda kind: _weight(kind, weights))  # the first of several equal ones
    return best if _weight(best, weights) > _UNACCEPTABLE else offered[0]


def _weight(kind: str, weights: dict[str, float]) -> float:
    # The most specific range counts, be its weight lower or higher.
    for pattern in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if pattern in weights:
            return weights[pattern]
    return _UNACCEPTABLE


def _weighed(media_range: str) -> tuple[str, float]:
    kind, *parameters = (part.strip().lower() for part in media_range.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return kind, _quality(value.strip())
    return kind, 1.0


def _quality(value: str) -> float:
    return float(value) if _QUALITY.fullmatch(value) else _UNACCEPTABLE
