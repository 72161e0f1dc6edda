"""The attempts that are counted from what RQ keeps."""

import pytest

from app.queue import attempts

FAILED = {"status": "failed", "started_at": "x"}
STARTED = {"status": "started", "started_at": "x"}
WAITS = {"status": "scheduled", "started_at": "x"}
QUEUED = {"status": "queued"}


def left(retries, intervals="[1, 2]"):
    return {"retries_left": retries, "retry_intervals": intervals}


@pytest.mark.parametrize(
    ("fields", "counted"),
    [
        ({}, (0, 1)),
        (QUEUED | left(2), (0, 3)),
        (STARTED, (1, 1)),
        ({"status": "canceled", "started_at": ""}, (0, 1)),
        (WAITS | left(1), (1, 3)),
        (STARTED | left(1), (2, 3)),
        (FAILED | left(0), (3, 3)),
        (FAILED | left(1), (2, 3)),  # the task gave up
        (QUEUED | left(1) | {"number_of_retries": 3}, (4, 6)),  # it asked for three by its result
        (QUEUED | left(2) | {"attempts_before": 3}, (3, 6)),  # somebody retried it
        (QUEUED | left(3, "[0]"), (0, 4)),  # a plain client's
    ],
)
def test_attempts_are_counted_from_what_rq_keeps(fields, counted):
    raw = {name.encode(): str(value).encode() for name, value in fields.items()}

    assert attempts.counted(raw) == counted
