"""A hash as Redis gives it: bytes by their names."""

from typing import Any

Hash = dict[bytes, bytes]


def hash_of(reply: Any) -> Hash:
    """Give the fields of a reply to `HGETALL`.

    redis-py makes a mapping of it; a script's reply, or a bare connection's, has each name before
    its value.
    """
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))
