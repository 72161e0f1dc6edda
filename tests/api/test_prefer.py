"""The Prefer header, as RFC 7240 has it: lists, quotes, odd spellings, and nonsense ignored."""

import pytest

from app.api.prefer import preferred_wait


def waits(*values):
    return preferred_wait({"headers": [(b"prefer", value.encode("latin-1")) for value in values]})


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ("wait=0", 0),
        ("wait=60", 60),
        ("wait=61", 60),
        ("wait=99999999999999999999", 60),
        ("WAIT=5", 5),
        ("wait = 5", 5),
        ('wait="5"', 5),
        (r'wait="\5"', 5),
        ("wait=007", 7),
        ("respond-async, wait=10", 10),
        ("wait=10, handling=lenient", 10),
        ('foo="a, wait=1", wait=2', 2),
        (r'foo="a\", wait=1", wait=2', 2),
        ("wait=5; later=1", 5),
        ("foo; wait=1, wait=2", 2),
        (", ,wait=3,", 3),
        ("\twait=3", 3),
    ],
)
def test_a_wait_is_found_however_it_is_written(header, seconds):
    assert waits(header) == seconds


@pytest.mark.parametrize(
    "header",
    [
        "",
        "wait",
        "wait=",
        'wait=""',
        "wait=soon",
        "wait=-1",
        "wait=1.5",
        "wait=1 2",
        "wait=٣",
        "await=3",
        "wait==3",
        'wait="3',
        "=3",
        "foo; wait=3",
        '"wait=3"',
    ],
)
def test_what_cannot_be_understood_is_as_if_it_were_not_there(header):
    headers = [(b"prefer", header.encode())]

    assert preferred_wait({"headers": headers}) is None


def test_several_headers_are_one_list_and_the_first_of_several_counts():
    assert waits("respond-async", "wait=4") == 4
    assert waits("wait=4", "wait=9") == 4
    assert waits("wait=soon", "wait=9") is None


def test_without_the_header_nobody_waits():
    assert preferred_wait({"headers": [(b"accept", b"*/*")]}) is None
