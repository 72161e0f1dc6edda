"""Text made into lines, whatever the text is."""

import tracemalloc

import pytest

from app.queue.running.lines import CUT, LONGEST_LINE, MOST_BYTES, fit, split


@pytest.mark.parametrize(
    ("begun", "text", "lines", "rest"),
    [
        ("", "", [], ""),
        ("", "a", [], "a"),
        ("a", "b\n", ["ab"], ""),
        ("a", "b\nc\n\nd", ["ab", "c", ""], "d"),
        ("", "dos\r\n", ["dos"], ""),
        ("10%", "\r20%", [], "20%"),
        ("10%\r", "20%\n", ["20%"], ""),
        ("", "10%\r20%\r30%\nok", ["30%"], "ok"),
        ("x", "\r\n", ["x"], ""),
        ("x\r", "\n", ["x"], ""),
    ],
)
def test_lines_are_what_a_terminal_would_show(begun, text, lines, rest):
    assert split(begun, text) == (0, lines, rest)


def test_lines_before_the_last_ones_that_may_be_kept_are_counted_only():
    passed, lines, rest = split("begun ", "\n" * 1_000_000 + "end")

    assert passed + len(lines) == 1_000_000
    assert len(lines) <= MOST_BYTES
    assert rest == "end"


def test_no_more_of_a_long_line_is_held_than_tells_that_it_is_long():
    _, lines, rest = split("ab", "x" * 1_000_000 + "\n" + "y" * 1_000_000)

    assert lines == ["ab" + "x" * (LONGEST_LINE - 1)]
    assert rest == "y" * (LONGEST_LINE + 1)
    assert split(rest, "z" * 1000)[2] == rest


def test_a_gigabyte_costs_next_to_no_memory():
    text = ("x" * 999 + "\n") * 100_000  # a tenth of it, to be quick
    tracemalloc.start()

    split("", text)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("letter", ["x", "é", "€", "😀", "\udcff"])
def test_a_line_is_cut_to_the_bytes_that_it_may_have(letter):
    whole, cut = fit("y" * LONGEST_LINE), fit(letter * (LONGEST_LINE + 1))

    assert whole == "y" * LONGEST_LINE
    assert cut.endswith(CUT)
    assert LONGEST_LINE - 10 <= len(cut.encode()) <= LONGEST_LINE


def test_a_lone_surrogate_is_written_out():
    assert fit("a\ud800b") == "a\\ud800b"
