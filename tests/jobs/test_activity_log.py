"""Counting a day of the activity log as a stream, whatever stands in it."""

import json
import tracemalloc
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.activity_log import MOST_ROUTES, ActivityLogMissingError, DayCounts, Record, count_day

DAY = date(2026, 3, 1)


def line(**fields: Any) -> str:
    record = {
        "time": "2026-03-01T12:00:00.000Z",
        "request_id": "r",
        "method": "GET",
        "route": "/jobs/{id}",
        "path": "/jobs/1",
        "status": 200,
        "duration": 0.5,
        "bytes": 100,
        "caller": None,
        "job_id": None,
    }
    return json.dumps(record | fields) + "\n"


def counted(tmp_path: Path, *lines: str | bytes) -> DayCounts:
    log = tmp_path / "activity.jsonl"
    log.write_bytes(b"".join(text if isinstance(text, bytes) else text.encode() for text in lines))
    return count_day(log, DAY)


def test_responses_are_counted_in_total_by_hour_by_status_and_by_route(tmp_path: Path) -> None:
    counts = counted(
        tmp_path,
        line(duration=0.5, bytes=10),
        line(duration=1.5, bytes=30, time="2026-03-01T23:59:59.999Z"),
        line(status=404, route=None, path="/nothing", duration=0, bytes=0),
        line(status=503, method="POST", route="/tasks/{task}"),
    )

    total = counts.total
    assert (total.count, total.succeeded, total.refused, total.failed) == (4, 2, 1, 1)
    assert (total.mean, total.slowest, total.bytes) == (0.625, 1.5, 140)
    assert {hour: tally.count for hour, tally in enumerate(counts.hours) if tally.count} == {
        12: 3,
        23: 1,
    }
    assert {status: tally.count for status, tally in counts.statuses.items()} == {
        200: 2,
        404: 1,
        503: 1,
    }
    assert {route: tally.count for route, tally in counts.routes.items()} == {
        "GET /jobs/{id}": 2,
        "GET /nothing": 1,
        "POST /tasks/{task}": 1,
    }
    assert counts.routes["GET /jobs/{id}"].mean == 1.0


def test_a_day_without_responses_is_all_zeros(tmp_path: Path) -> None:
    counts = counted(tmp_path)
    assert (counts.total.count, counts.total.mean, counts.broken_lines) == (0, 0.0, 0)


def test_a_day_begins_and_ends_at_midnight_in_utc(tmp_path: Path) -> None:
    counts = counted(
        tmp_path,
        line(time="2026-02-28T23:59:59.999999Z"),
        line(time="2026-03-01T00:00:00Z"),
        line(time="2026-03-01T23:59:59.999999Z"),
        line(time="2026-03-02T00:00:00Z"),
        line(time="2026-03-02T01:30:00+02:00"),  # 23:30 of the day
    )
    assert counts.total.count == 3
    assert counts.hours[23].count == 2


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"\n", id="empty"),
        pytest.param(b"not json\n", id="no JSON"),
        pytest.param(b"[]\n", id="no object"),
        pytest.param(b"{}\n", id="no fields"),
        pytest.param(line()[:40].encode() + b"\n", id="cut off"),
        pytest.param(line()[:40].encode() + line().encode(), id="a line in a half-written one"),
        pytest.param(b"\xff\xfe" + line().encode(), id="no UTF-8"),
        pytest.param(b"\0" * 4096 + b"\n", id="zeros of a crashed disk"),
        pytest.param(line(time="2026-03-01T12:00:00").encode(), id="no zone"),
        pytest.param(line(duration=float("nan")).encode(), id="not a number"),
        pytest.param(line(duration=float("inf")).encode(), id="infinity"),
        pytest.param(line(duration=-1).encode(), id="negative"),
        pytest.param(line(path="\ud800").encode(), id="lone surrogate"),
        pytest.param(line(path="x" * 200_000).encode(), id="too long"),
        pytest.param(b"[" * 60_000 + b"\n", id="too deep"),
    ],
)
def test_a_broken_line_is_counted_and_skipped(tmp_path: Path, broken: bytes) -> None:
    counts = counted(tmp_path, line(), broken, line())
    assert (counts.total.count, counts.broken_lines) == (2, 1)


def test_a_last_line_that_is_still_being_written_is_broken_and_a_whole_one_is_not(
    tmp_path: Path,
) -> None:
    half = counted(tmp_path, line(), line()[:30])
    assert (half.total.count, half.broken_lines) == (1, 1)
    whole = counted(tmp_path, line(), line().rstrip("\n"))
    assert (whole.total.count, whole.broken_lines) == (2, 0)


def test_neither_a_long_line_nor_many_paths_of_strangers_fill_memory(tmp_path: Path) -> None:
    log = tmp_path / "activity.jsonl"
    with log.open("w") as file:
        file.write("x" * 30_000_000 + "\n")
        file.writelines(line(route=None, path=f"/{number}/" + "y" * 1000) for number in range(5000))
    tracemalloc.start()
    counts = count_day(log, DAY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert counts.broken_lines == 1
    assert counts.total.count == 5000
    assert len(counts.routes) == MOST_ROUTES + 1
    assert counts.routes["(others)"].count == 5000 - MOST_ROUTES
    assert max(map(len, counts.routes)) == 200
    assert peak < 3_000_000


def test_a_missing_log_is_a_named_error_that_tells_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ActivityLogMissingError, match=r"no\.jsonl: .*\n*.*TASK_API_ACTIVITY_LOG"):
        count_day(tmp_path / "no.jsonl", DAY)


def test_a_record_of_another_day_changes_nothing() -> None:
    counts = DayCounts(DAY)
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    counts.add(
        Record(time=moment, method="GET", route=None, path="/", status=200, duration=1, bytes=1)
    )
    assert counts == DayCounts(DAY)
