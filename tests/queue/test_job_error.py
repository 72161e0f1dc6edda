"""Why a job failed, from the text that RQ keeps: a traceback, or a sentence of its own."""

import traceback

import pytest

from app.queue.job_error import error_of


class Odd(Exception):
    pass


def raised(error, cause=None):
    """The text of an exception that was really raised, and of its cause."""
    try:
        try:
            if cause:
                raise cause
        finally:
            raise error
    except BaseException:  # noqa: BLE001 - SystemExit is one of them
        return traceback.format_exc()


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("no luck"), "ValueError", "no luck"),
        (Odd("dotted name"), "Odd", "dotted name"),
        (Odd(), "Odd", ""),
        (KeyError("k"), "KeyError", "'k'"),
        (ValueError("a: b: c"), "ValueError", "a: b: c"),
        (ValueError("first\nsecond: 2\n  third"), "ValueError", "first\nsecond: 2\n  third"),
        (ValueError("a\u2028b"), "ValueError", "a\u2028b"),
        (SystemExit(3), "SystemExit", "3"),
        (SyntaxError("bad", ("f.py", 1, 2, "a b")), "SyntaxError", "bad"),
        (
            ExceptionGroup("several", [ValueError(1), KeyError(2)]),
            "ExceptionGroup",
            "several (2 sub-exceptions)",
        ),
    ],
)
def test_a_traceback_ends_with_the_exception(error, kind, message):
    text = raised(error)

    found = error_of(text)

    assert (found.type, found.message, found.traceback) == (kind, message, text)


def test_notes_belong_to_the_message():
    error = ValueError("no luck")
    error.add_note("Try tomorrow.")

    assert error_of(raised(error)).message == "no luck\nTry tomorrow."


@pytest.mark.parametrize("cause", [KeyError("k"), ExceptionGroup("several", [ValueError(1)])])
def test_of_a_chain_the_last_exception_counts(cause):
    error = Odd("after")

    text = raised(error, cause)

    assert "During handling of the above exception" in text
    assert (error_of(text).type, error_of(text).message) == ("Odd", "after")


def test_a_cause_is_told_from_the_exception():
    error = Odd("outer")
    error.__cause__ = KeyError("inner")

    text = raised(error)

    assert "direct cause" in text
    assert error_of(text).message == "outer"


def test_a_traceback_that_a_message_quotes_is_a_part_of_it():
    quoted = "the other side failed:\n" + raised(KeyError("k"))

    found = error_of(raised(Odd(quoted)))

    assert found.type == "Odd"
    assert found.message.startswith("the other side failed:\nTraceback")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "Moved to FailedJobRegistry, due to AbandonedJobError, at 2030-01-01 12:00:00",
            "AbandonedJobError",
        ),
        ("Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); ", "WorkerLost"),
        ("Job stopped by user, work-horse terminated.", "JobStopped"),
        ("Something else that RQ says", "Terminated"),
        ("", "Terminated"),
    ],
)
def test_a_sentence_of_rq_s_is_the_message(text, kind):
    found = error_of(text)

    assert (found.type, found.message, found.traceback) == (kind, text.strip(), None)


def test_a_sentence_of_ours_begins_with_the_type():
    found = error_of("JobStopped: somebody ended it.")

    assert (found.type, found.message) == ("JobStopped", "somebody ended it.")


@pytest.mark.parametrize("text", ["Traceback (most recent call last):", "x\nTraceback", "\n\n"])
def test_a_text_cut_short_breaks_nothing(text):
    assert error_of(text).message == text.strip()
