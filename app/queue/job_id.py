"""Job ids: UUIDs of version 7 (RFC 9562) that sort by the time they were made, with a checksum.

48 bits of Unix milliseconds, 12 that count within one, 46 of chance, 16 of a checksum. By the
checksum an id whose job is gone is told from one that was never issued, and nothing has to be kept
for it. It protects nothing: whoever makes up an id that fits is answered 410 in place of 404.
"""

import re
import time
import zlib

from app.queue.chance import chance

_UUID7 = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII
)
_POSSIBLE = re.compile(r"[A-Za-z0-9_-]+")
_CHANCE = 46  # bits
_CHECK = 16


class _Ticks:
    """Milliseconds and a count, as one number that only grows."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        tick = time.time_ns() // 1_000_000 << 12
        # A count that overflows runs into the next millisecond, as RFC 9562 has it (section 6.2).
        self._last = tick if tick > self._last else self._last + 1
        return self._last


_ticks = _Ticks()


def new_job_id() -> str:
    """Make an id that sorts behind all that this process has made before."""
    tick, drawn = _ticks.next(), chance.getrandbits(_CHANCE)
    value = f"{tick >> 12:012x}7{tick & 0xFFF:03x}"
    value += f"{0x2 << 62 | drawn << _CHECK | _checksum(tick, drawn):016x}"
    return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"


def is_ours(job_id: str) -> bool:
    """Say whether a service of this kind has issued this id; one of 65,536 others passes too."""
    if not _UUID7.fullmatch(job_id):
        return False
    digits = job_id.replace("-", "")
    tick = int(digits[:12] + digits[13:16], 16)
    rest = int(digits[16:], 16) & ((1 << _CHANCE + _CHECK) - 1)
    return rest & 0xFFFF == _checksum(tick, rest >> _CHECK)


def is_possible(job_id: str) -> bool:
    """Say whether RQ would take such an id; under other names it keeps other things than jobs."""
    return _POSSIBLE.fullmatch(job_id) is not None


def _checksum(tick: int, drawn: int) -> int:
    return zlib.crc32((tick << _CHANCE | drawn).to_bytes(14, "big")) & 0xFFFF
