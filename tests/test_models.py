"""The options of a job, as callers give them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from app.options import LONGEST_RUN, MOST_RETRIES, TEN_YEARS, JobOptions


def now(**shift):
    return datetime.now(UTC) + timedelta(**shift)


def name_of(parameter):
    """Name a test by its parameter, the same in every process: whatever the time."""
    return re.sub(r"[\dT:.-]+\+00:00", "now", str(parameter))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"delay": 0},
        {"delay": TEN_YEARS},
        {"delay": "1.5"},
        {"run_at": "2030-01-02T03:04:05Z"},
        {"run_at": "2030-01-02T03:04:05.678+05:30"},
        {"run_at": now(days=3649).isoformat()},
        {"run_at": "0001-01-01T00:00:00Z"},
        {"timeout": 1},
        {"timeout": LONGEST_RUN},
        {"retries": 0},
        {"retries": MOST_RETRIES},
        {"result_ttl": 0},
        {"result_ttl": TEN_YEARS},
        {"front": "true"},
        {"queue": "low"},
    ],
    ids=name_of,
)
def test_options_within_their_bounds_are_taken(options):
    assert JobOptions.model_validate(options).model_fields_set == options.keys()


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"delay": -0.1}, ("delay",)),
        ({"delay": TEN_YEARS + 1}, ("delay",)),
        ({"delay": "nan"}, ("delay",)),
        ({"delay": "inf"}, ("delay",)),
        ({"delay": "soon"}, ("delay",)),
        ({"run_at": "2030-01-02T03:04:05"}, ("run_at",)),
        ({"run_at": "2030-01-02"}, ("run_at",)),
        ({"run_at": "tomorrow"}, ("run_at",)),
        ({"run_at": "60"}, ("run_at",)),
        ({"run_at": 60}, ("run_at",)),
        ({"run_at": " 1893553445.5 "}, ("run_at",)),
        ({"run_at": "0001-01-01T00:00:00+14:00"}, ("run_at",)),
        ({"run_at": "9999-12-31T23:59:59-14:00"}, ("run_at",)),
        ({"run_at": now(days=3651).isoformat()}, ("run_at",)),
        ({"delay": 1, "run_at": "2030-01-02T03:04:05Z"}, ()),
        ({"timeout": 0}, ("timeout",)),
        ({"timeout": LONGEST_RUN + 1}, ("timeout",)),
        ({"timeout": 1.5}, ("timeout",)),
        ({"retries": -1}, ("retries",)),
        ({"retries": MOST_RETRIES + 1}, ("retries",)),
        ({"result_ttl": -1}, ("result_ttl",)),
        ({"result_ttl": TEN_YEARS + 1}, ("result_ttl",)),
        ({"front": "perhaps"}, ("front",)),
        ({"priority": 1}, ("priority",)),
    ],
    ids=name_of,
)
def test_options_beyond_their_bounds_are_refused_with_their_place(options, place):
    with pytest.raises(ValidationError) as refused:
        JobOptions.model_validate(options)

    assert [found["loc"] for found in refused.value.errors()] == [place]


def test_a_time_is_kept_in_utc():
    options = JobOptions.model_validate({"run_at": "2030-01-02T03:04:05+05:30"})

    assert options.run_at == datetime(2030, 1, 1, 21, 34, 5, tzinfo=UTC)
    assert options.run_at.utcoffset() == timedelta(0)


def test_a_time_may_be_left_out_by_name():
    assert JobOptions(run_at=None).run_at is None


def test_options_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        JobOptions().delay = 1
