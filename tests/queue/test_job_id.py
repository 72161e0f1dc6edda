"""Job ids: they sort by their time, no two are the same, and they know their own."""

import os
import random
import time
from itertools import pairwise
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.queue import job_id
from app.queue.job_id import is_ours, new_job_id


def test_an_id_is_a_uuid_of_version_7_of_this_moment():
    before = time.time_ns() // 1_000_000
    made = UUID(new_job_id())
    after = time.time_ns() // 1_000_000

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= after


def test_ids_sort_by_their_time():
    made = []
    for _ in range(5):
        made.append(new_job_id())
        time.sleep(0.002)

    assert all(first < second for first, second in pairwise(made))


def test_no_two_ids_are_the_same():
    assert len({new_job_id() for _ in range(10_000)}) == 10_000


def test_two_processes_that_were_forked_make_different_ids():
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, new_job_id()[14:].encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read, 100).decode() != new_job_id()[14:]
    os.close(read)
    os.close(write)


def test_a_task_that_seeds_the_common_dice_makes_no_two_ids_the_same():
    made = []
    for _ in range(2):
        random.seed(1)
        made.append(new_job_id()[14:])

    assert made[0] != made[1]


def test_ids_of_one_millisecond_sort_as_they_were_made(monkeypatch):
    monkeypatch.setattr(job_id, "_ticks", job_id._Ticks())
    monkeypatch.setattr(time, "time_ns", lambda: 2_000_000_000_000 * 1_000_000)
    made = [new_job_id() for _ in range(10_000)]  # more than the 4,096 that one counts

    assert made == sorted(made)
    assert len({each[:13] for each in made}) == 3  # the count ran on into the next ones


def test_a_clock_that_is_set_back_makes_no_id_that_sorts_before_another(monkeypatch):
    now = 3_000_000_000_000
    monkeypatch.setattr(job_id, "_ticks", job_id._Ticks())
    clock = iter([now, now - 60_000, now - 59_999, now + 1])
    monkeypatch.setattr(time, "time_ns", lambda: next(clock) * 1_000_000)
    made = [new_job_id() for _ in range(4)]

    assert made == sorted(made)


@settings(deadline=None)
@given(st.integers(0, 2**48 - 1), st.integers(0, 2**12 - 1), st.integers(0, 2**46 - 1))
def test_an_id_has_the_fields_of_rfc_9562_and_is_known_as_ours(milliseconds, count, chance):
    with (
        patch.object(job_id, "_ticks", Ticks(milliseconds << 12 | count)),
        patch.object(job_id, "chance", Chance(chance)),
    ):
        made = new_job_id()

    number = UUID(made).int
    assert str(UUID(made)) == made
    assert number >> 80 == milliseconds
    assert number >> 76 & 0xF == 7  # the version
    assert number >> 64 & 0xFFF == count
    assert number >> 62 & 0b11 == 0b10  # the variant
    assert number >> 16 & (1 << 46) - 1 == chance
    assert is_ours(made)


@settings(deadline=None)
@given(st.integers(0, 31), st.sampled_from("0123456789abcdef"))
def test_an_id_with_one_digit_changed_is_none_of_ours(place, digit):
    made = new_job_id()
    digits = list(made)
    at = [i for i, each in enumerate(digits) if each != "-"][place]
    changed = "".join([*digits[:at], digit, *digits[at + 1 :]])

    # A checksum of 16 bits tells each burst of up to 16 from what it was: a digit is one of 4.
    assert is_ours(changed) == (changed == made)


def test_of_other_ids_of_this_kind_one_in_many_thousands_is_taken_for_ours():
    dice = random.Random(4)

    def other():
        value = dice.getrandbits(128) & ~(0xF << 76 | 0b11 << 62) | 7 << 76 | 0b10 << 62
        return str(UUID(int=value))

    assert sum(is_ours(other()) for _ in range(100_000)) < 15  # 1.5 are to be expected


@settings(deadline=None)
@given(st.text(max_size=60) | st.uuids(version=4).map(str))
def test_what_is_no_such_id_is_none_of_ours(text):
    assert not is_ours(text)


@pytest.mark.parametrize(
    "change", [str.upper, "{}\n".format, "{{{}}}".format, "urn:uuid:{}".format]
)
def test_an_id_in_another_dress_is_none_of_ours(change):
    made = next(each for each in iter(new_job_id, None) if each != each.upper())

    assert is_ours(made)
    assert not is_ours(change(made))


def test_processes_that_were_forked_at_once_make_no_two_ids_the_same():
    children, made = 8, 100  # what one writes fits into the pipe as a whole
    read, write = os.pipe()
    pids = []
    for _ in range(children):
        if (pid := os.fork()) == 0:
            ids = [new_job_id() for _ in range(made)]
            ordered = ids == sorted(ids)
            with os.fdopen(write, "w") as pipe:
                pipe.write("".join(f"{each}\n" for each in ids))
            os._exit(0 if ordered else 1)
        pids.append(pid)
    os.close(write)
    with os.fdopen(read) as pipe:
        found = pipe.read().split()

    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * children
    assert len(found) == children * made == len(set(found))
    assert all(map(is_ours, found))


class Ticks:
    """A clock and a count that stand still."""

    def __init__(self, value):
        self.next = lambda: value


class Chance:
    """Dice that fall as told."""

    def __init__(self, value):
        self.getrandbits = lambda _: value
