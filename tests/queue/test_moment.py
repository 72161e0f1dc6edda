"""Times as RQ writes them, and as scores."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis.strategies import datetimes, just
from rq.utils import utcformat, utcparse

from app.queue.moment import moment_of_score, moment_of_text, text_of, text_of_now

MOMENT = datetime(2026, 11, 20, 11, 30, 48, 508413, UTC)


@given(datetimes(datetime(1000, 1, 1), timezones=just(UTC)))  # noqa: DTZ001 - as it wants it
def test_a_time_is_written_as_rq_writes_it_and_read_again(moment):
    text = text_of(moment)

    assert text == utcformat(moment)
    assert moment_of_text(text.encode()) == utcparse(text) == moment


def test_the_present_time_is_written_as_any_other():
    before = datetime.now(UTC)

    assert before <= moment_of_text(text_of_now().encode()) <= datetime.now(UTC)


def test_a_time_without_a_fraction_is_read_as_older_versions_of_rq_wrote_it():
    assert moment_of_text(b"2026-11-20T11:30:48Z") == MOMENT.replace(microsecond=0)


@pytest.mark.parametrize("nothing", [b"", None])
def test_where_there_is_no_time_none_is_read(nothing):
    assert moment_of_text(nothing) is None


@pytest.mark.parametrize(
    "text",
    [b"soon", b"2026-11-20", b"2026-11-20T11:30:48", b"2026-11-20T11:30:48+02:00", b"\xff", b"0Z"],
)
def test_what_is_no_time_of_utc_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind
        moment_of_text(text)


def test_a_score_is_seconds_since_1970():
    assert moment_of_score(MOMENT.timestamp()) == MOMENT
    assert moment_of_score(b"0") == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("score", [None, b"soon", float("nan"), float("inf"), 1e18, -1e18])
def test_a_score_that_is_no_time_is_none(score):
    assert moment_of_score(score) is None
