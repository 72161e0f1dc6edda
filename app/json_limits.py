"""What JSON cannot hold, although Pydantic may let it pass, and how it is named to the user."""

import json
import pickle
import re
from typing import Any

# A pickled float is a "G" and its eight bytes; NaN and infinity have all exponent bits set. Half of
# a surrogate pair is written as these two bytes of UTF-8. \x8b begins a number of over 600 digits;
# of over 4300, no Python reads it back.
_SUSPECT = re.compile(rb"G[\x7f\xff][\xf0-\xff]|\xed[\xa0-\xbf]|\x8b")
_UNKNOWN_TYPE = re.compile(r"unknown type: <class '([^']+)'>")


class UnfitForJson(ValueError):
    """A value that JSON cannot hold: the name of its type, and the reason."""

    def __init__(self, type_name: str, reason: str) -> None:
        super().__init__(reason)
        self.type_name = type_name


def check_json(reduced: Any) -> None:
    """Refuse what JSON parsers do not take: NaN, infinity, a lone surrogate, an endless number.

    A pickle shows each of them by its bytes, and is made in a tenth of the time that JSON takes, on
    a path that each enqueued job goes; where it looks suspicious, JSON decides.

    Raises:
        ValueError: see `type_beyond_json` for the type that it is about.
    """
    if _SUSPECT.search(pickle.dumps(reduced, protocol=5)):
        json.dumps(reduced, allow_nan=False, ensure_ascii=False).encode()


def type_beyond_json(error: ValueError, value: Any) -> str:
    """Name the type that an error of Pydantic's serializer, or of `check_json`, is about.

    Args:
        error: which often names the type in its text alone.
        value: what was to be reduced; its own type is named where the error tells none.
    """
    if isinstance(error, UnicodeEncodeError):
        return "str"
    if isinstance(error, UnicodeDecodeError):
        return "bytes"
    if str(error).startswith("Out of range float"):
        return "float"
    unknown = _UNKNOWN_TYPE.search(str(error))
    return unknown[1] if unknown else type(value).__name__
