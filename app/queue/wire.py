"""What is pickled into Redis, and how it is read back without running anything.

RQ pickles a job's function and arguments, its result and its meta. A pickle can call any function
when it is loaded, so whoever can write to Redis could run code in every process that reads it. Ours
hold JSON's types alone, and are loaded by an unpickler that refuses every global. What is not made
to run code may be made to fill the memory, so that is bounded as well.
"""

import io
import pickle
import zlib
from base64 import b64decode
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from rq.job import Job as RQJob

from app.errors import ForgedPickle

Loaded = Any

MOST_VALUES = 100_000
"""How many values a pickle may unfold to that puts the same lists in many places."""

MOST_BYTES = 256 * 1024 * 1024
"""How many bytes a compressed field may unfold to."""

_GETTING = (b"h", b"j", b"g")  # opcodes that put a value into one more place
_HOLDERS = frozenset({dict, list, tuple, set, frozenset})


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise ForgedPickle(name=f"{module}.{name}")

    def persistent_load(self, pid: object) -> NoReturn:
        raise ForgedPickle(name=f"persistent id {pid!r}")


def loads(data: bytes) -> Loaded:
    """Load a pickle that holds plain data only.

    Raises:
        ForgedPickle: it names a function or a class.
        UnreadablePickle: it is none, or broken, or unfolds to too much.
    """
    try:
        value = _Unpickler(io.BytesIO(data)).load()
    except ForgedPickle:
        raise
    except Exception as error:  # a broken pickle raises anything, from EOFError to IndexError
        raise UnreadablePickle(f"{type(error).__name__}: {error}") from error
    if type(value) in _HOLDERS and any(opcode in data for opcode in _GETTING):
        _check_size(value, max(MOST_VALUES, len(data)))
    return value


def dumps(value: Any) -> bytes:
    """Pickle plain data as RQ does."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


class UnreadablePickle(ValueError):
    """The bytes are no pickle, or a broken one."""


def _check_size(value: Loaded, most: int) -> None:
    # A list of two lists of two lists… needs few bytes, and more memory than there is once it is
    # written out.
    left, waiting = most, [value]
    while waiting:
        found = waiting.pop()
        members = found.values() if type(found) is dict else found
        left -= len(members)
        if left < 0:
            raise UnreadablePickle(f"it unfolds to more than {most} values")
        waiting.extend([member for member in members if type(member) in _HOLDERS])


def _unfold(data: bytes) -> bytes:
    unfolding = zlib.decompressobj()
    unfolded = unfolding.decompress(data, MOST_BYTES)
    if unfolding.unconsumed_tail:
        raise UnreadablePickle(f"it unfolds to more than {MOST_BYTES} bytes")
    return unfolded


class WireSerializer:
    """RQ's serializer, in its stock format, that loads plain data only."""

    dumps = staticmethod(dumps)
    loads = staticmethod(loads)


class WireJob(RQJob):
    """RQ's job, loaded by our unpickler whoever makes it and whatever they pass."""

    def __init__(self, id: str | None = None, connection: Any = None, *_: Any, **__: Any) -> None:  # noqa: A002 - RQ's own name
        super().__init__(id, connection, serializer=WireSerializer)


class Call(NamedTuple):
    """What a job calls: a function's dotted path, and its arguments."""

    path: str
    args: Sequence[Any]
    kwargs: dict[str, Any]

    def named(self) -> dict[str, Any]:
        """Give all arguments by name; a plain RQ client may pass some that have only a number."""
        return {**{str(i): arg for i, arg in enumerate(self.args)}, **self.kwargs}


def load_call(raw: bytes) -> Call:
    """Read a job's `data` field.

    Raises:
        ForgedPickle, UnreadablePickle: it is not what this service writes.
    """
    try:
        data = _unfold(raw)
    except zlib.error:
        data = raw  # RQ takes both
    match loads(data):
        case (str(path), None, list() | tuple() as args, dict(kwargs)):
            return Call(path, args, kwargs)
    raise UnreadablePickle("it does not hold a function's path and its arguments")


def load_result(raw: bytes) -> Loaded:
    """Read the `return_value` field of an entry of a job's result stream.

    Raises:
        ForgedPickle, UnreadablePickle: it is not what this service writes.
    """
    return loads(b64decode(raw))


def load_traceback(raw: bytes) -> str:
    """Read the `exc_string` field of an entry of a job's result stream.

    Raises:
        ValueError, zlib.error: it is not what this service writes.
    """
    return _unfold(b64decode(raw)).decode(errors="replace")
