"""What JSON cannot hold: found wherever it lies, and nothing else taken for it."""

import json
import math
import random
import struct
import sys

import pytest

from app.json_limits import check_json

BIG = "x" * 100_000  # written to a pickle past its frames

NUMBERS_THAT_ARE_NONE = [
    math.nan,
    -math.nan,
    math.inf,
    -math.inf,
    *(
        struct.unpack(">d", bytes.fromhex(bits))[0]
        for bits in ("7ff0000000000001", "fff8cafe00000000")
    ),
]
HALVES = ["\ud800", "\udbff", "\udc00", "\udfff"]

FINE = [
    None,
    True,
    0.0,
    -0.0,
    5e-324,
    sys.float_info.max,
    -sys.float_info.max,
    10**4299,
    -(10**4299),
    2**2040,
    "",
    "\x00",
    "G\x7f\xf0",  # as a pickled infinity begins
    "G\xff\xf8",
    "\ud7ff\ue000",  # the neighbours of the surrogates
    "\uac00\ud7a3",  # which share their first byte
    "\U0001f600",
    "\u200b\u2fcb\u20cb",  # characters whose bytes look like a long number
    BIG,
    [],
    {},
]


def places(value):
    """Put a value where it may lie."""
    yield value
    yield [1, [2, value]]
    yield {"a": {"b": value}}
    yield [BIG, value, BIG]
    yield [0.5] * 2000 + [value]
    if isinstance(value, str):
        yield {value: 1}
        yield BIG + value
        yield f"a{value}b"


@pytest.mark.parametrize(
    "value",
    [*NUMBERS_THAT_ARE_NONE, *HALVES, 10**4300, 2**20_000, -(2**20_000)],
    ids=lambda v: f"{v!a:.20}" if not isinstance(v, int) else "endless",
)
def test_what_json_cannot_hold_is_refused_wherever_it_lies(value):
    for place in places(value):
        with pytest.raises(ValueError, match=r"JSON compliant|surrogates|Exceeds the limit"):
            check_json(place)


@pytest.mark.parametrize("value", FINE, ids=range(len(FINE)))
def test_what_json_can_hold_is_let_pass(value):
    for place in places(value):
        check_json(place)
        assert json.loads(json.dumps(place)) == place


def test_it_says_of_any_text_what_json_says():
    dice = random.Random(7)
    for _ in range(3000):
        text = "".join(
            chr(
                dice.choice(
                    (dice.randrange(0x80), dice.randrange(0xD7F0, 0xE010), dice.randrange(0x110000))
                )
            )
            for _ in range(3)
        )
        holds = any("\ud800" <= letter <= "\udfff" for letter in text)
        try:
            check_json([text])
        except UnicodeEncodeError:
            assert holds
        else:
            assert not holds


def test_it_says_of_any_number_what_json_says():
    dice = random.Random(7)
    for _ in range(3000):
        bits = dice.getrandbits(64) | (0x7FF << 52 if dice.random() < 0.3 else 0)
        [number] = struct.unpack(">d", bits.to_bytes(8, "big"))
        try:
            check_json({"a": number})
        except ValueError:
            assert not math.isfinite(number)
        else:
            assert math.isfinite(number)
