"""daily_report on a real log and a real database, its files read back, its mail delivered."""

import csv
import mailbox
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer
from fastapi.testclient import TestClient
from pydantic import ValidationError
from rq.job import Job

from app import calls
from app.errors import RedisUnavailable
from app.main import create_app
from app.queue.enqueue import Enqueuer
from app.settings import Settings
from jobs.activity_log import ActivityLogMissingError
from jobs.database import Item, transaction
from jobs.report import DailyReport, daily_report, defuse

from .conftest import Configure, FakeJob
from .test_activity_log import DAY, line


@pytest.fixture
def place(tmp_path: Path, configure: Configure) -> Path:
    configure(
        ACTIVITY_LOG=tmp_path / "activity.jsonl",
        DATABASE_URL=f"sqlite:///{tmp_path}/items.db",
        REPORT_DIR=tmp_path / "reports",
        OUTBOX=tmp_path / "outbox",
    )
    return tmp_path


def log(place: Path, *lines: str) -> None:
    (place / "activity.jsonl").write_text("".join(lines))


def rows_of(report: DailyReport) -> list[dict[str, str]]:
    with Path(report.csv).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Page(HTMLParser):
    """What a browser would make of a page: its tags, its texts, its bars."""

    def __init__(self, report: DailyReport) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.bars: list[dict[str, str | None]] = []
        self.feed(Path(report.html).read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "rect":
            self.bars.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_a_day_is_counted_from_the_log_and_the_database(place: Path) -> None:
    log(place, line(), line(status=404), line(status=500), line(time="2026-03-02T00:00:00Z"), "{")
    with transaction() as session:
        for hour in (-1, 0, 12, 23, 24):
            moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour)
            session.add(Item(name="x", status="processed", processed_at=moment))
        session.add(Item(name="pending"))

    report = daily_report(DAY)

    assert report == DailyReport(
        day=DAY,
        responses=3,
        refused=1,
        failed=1,
        items_processed=3,
        broken_lines=1,
        csv=str(place / "reports" / "daily-2026-03-01.csv"),
        html=str(place / "reports" / "daily-2026-03-01.html"),
        mail_job=None,
    )


def test_the_csv_holds_each_count_with_its_kind(place: Path) -> None:
    log(place, line(duration=0.25), line(duration=0.75, status=503), "broken\n")
    rows = rows_of(daily_report(DAY))

    numbers = {"mean_seconds": "0.5", "max_seconds": "0.75", "bytes": "200"}
    both = {"count": "2", "refused": "0", "failed": "1"} | numbers
    assert rows[0] == {"kind": "total", "name": "responses"} | both
    assert [row["kind"] for row in rows].count("hour") == 24
    assert {"kind": "hour", "name": "12"} | both in rows
    assert {"kind": "route", "name": "GET /jobs/{id}"} | both in rows
    assert [row["count"] for row in rows if row["kind"] == "status"] == ["1", "1"]
    last = [(row["kind"], row["name"], row["count"]) for row in rows[-2:]]
    assert last == [("items", "processed", "0"), ("log", "broken lines", "1")]


def test_the_chart_stacks_the_outcomes_of_each_hour(place: Path) -> None:
    log(
        place, line(), line(), line(status=404), line(status=500), line(time="2026-03-01T05:00:00Z")
    )
    bars = Page(daily_report(DAY)).bars
    assert [(bar["class"], bar["height"], bar["y"]) for bar in bars] == [
        ("succeeded", "50.00", "160.00"),
        ("succeeded", "100.00", "110.00"),
        ("refused", "50.00", "60.00"),
        ("failed", "50.00", "10.00"),
    ]


def test_a_day_without_anything_still_has_a_page_with_a_chart(place: Path) -> None:
    log(place)
    page = Page(daily_report(DAY))
    assert "svg" in page.tags
    assert page.bars == []


HOSTILE = "/<script>alert(1)</script><img src=x onerror=alert(2)>'\"&{{7*7}}{% raw %}"


def test_what_strangers_wrote_into_the_log_stays_text_on_the_page(place: Path) -> None:
    log(place, line(route=None, path=HOSTILE), line(method="<b>", route=None, path="</td>"))
    page = Page(daily_report(DAY))

    assert not {"script", "img", "b"} & set(page.tags)
    assert f"GET {HOSTILE}" in page.texts
    assert "<b> </td>" in page.texts
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_the_page_fetches_nothing(place: Path) -> None:
    log(place, line())
    page = Page(daily_report(DAY))
    assert not {"link", "iframe", "script", "img"} & set(page.tags)
    assert not {"href", "src"} & {name for name, _ in page.attributes}
    policy = [value for name, value in page.attributes if name == "content" and value]
    assert any(value.startswith("default-src 'none'") for value in policy)


@pytest.mark.parametrize("method", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_what_strangers_wrote_is_no_formula_in_a_spreadsheet(place: Path, method: str) -> None:
    log(place, line(method=method, route=None, path='/","=1+1'))
    [row] = [row for row in rows_of(daily_report(DAY)) if row["kind"] == "route"]
    assert row["name"] == f'\'{method} /","=1+1'
    assert row["count"] == "1"


def test_a_harmless_cell_stays_as_it_is() -> None:
    assert defuse("GET /a=b") == "GET /a=b"


def test_rare_routes_are_left_out_of_the_page_but_not_of_the_csv(place: Path) -> None:
    log(place, *(line(route=f"/{number:02}") for number in range(60)), line(route="/59"))
    report = daily_report(DAY)
    page = Page(report)

    assert sum(text.startswith("GET /") for text in page.texts) == 50
    assert page.texts.index("GET /59") < page.texts.index("GET /00")
    assert "10 rarer routes are in the CSV only." in page.texts
    assert sum(row["kind"] == "route" for row in rows_of(report)) == 60


def test_a_second_run_writes_the_same_files_over_the_first(place: Path) -> None:
    log(place, line())
    first = daily_report(DAY)
    contents = Path(first.csv).read_bytes(), Path(first.html).read_bytes()
    second = daily_report(DAY)

    assert second == first
    assert (Path(second.csv).read_bytes(), Path(second.html).read_bytes()) == contents
    assert len(list((place / "reports").iterdir())) == 2


def test_without_a_day_it_is_yesterday(place: Path) -> None:
    before = datetime.now(UTC).date()
    log(place, line(time=f"{before - timedelta(days=1)}T08:00:00Z"))
    report = daily_report()
    assert report.day in (before - timedelta(days=1), datetime.now(UTC).date() - timedelta(days=1))
    assert report.responses == 1


@pytest.mark.parametrize("day", [date.min, date.max])
def test_the_first_and_the_last_day_that_there_are_are_days(place: Path, day: date) -> None:
    log(place, line())
    assert daily_report(day).responses == 0


def test_the_log_that_the_api_writes_is_the_log_that_is_counted(place: Path) -> None:
    settings = Settings(activity_log=place / "activity.jsonl", dashboard=False)
    app = create_app(settings, client=FakeAsyncRedis(server=FakeServer()))
    before = datetime.now(UTC).date()
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        client.get("/tasks/daily_report")
        client.get("/no/such/page")

    counts = Counter[str]()
    for day in {before, datetime.now(UTC).date()}:
        report = daily_report(day)
        assert report.broken_lines == 0
        counts.update(responses=report.responses, refused=report.refused)
        counts.update(row["name"] for row in rows_of(report) if row["kind"] == "route")
    assert counts == Counter({
        "responses": 2, "refused": 1, "GET /tasks/{task}": 1, "GET /no/such/page": 1,
    })  # fmt: skip


def test_a_missing_log_is_not_tried_again(place: Path, job: FakeJob) -> None:
    with pytest.raises(ActivityLogMissingError):
        daily_report()
    assert job.given_up


def test_a_recipient_that_is_no_address_is_refused_before_anything_is_written(place: Path) -> None:
    log(place, line())
    with pytest.raises(ValidationError):
        daily_report(DAY, mail_to="nobody")
    assert not (place / "reports").exists()


def test_the_counts_are_mailed_by_a_job_of_their_own(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = FakeRedis(server=FakeServer())
    monkeypatch.setattr(calls, "_enqueuer", lambda: Enqueuer(Settings(), sync_redis=redis))
    log(place, line(route=None, path="/of-a-stranger"))

    report = daily_report(DAY, mail_to="ops@example.com")

    assert report.mail_job is not None
    Job.fetch(report.mail_job, connection=redis).perform()
    [mail] = mailbox.Maildir(place / "outbox")
    assert (mail["To"], mail["Subject"]) == ("ops@example.com", "Report of 2026-03-01")
    text = mail.get_payload()
    assert isinstance(text, str)
    assert "Responses: 1\n" in text
    assert report.html in text.replace("=\n", "")
    assert "of-a-stranger" not in text


def test_a_mail_that_cannot_be_enqueued_fails_the_job_which_is_tried_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, job: FakeJob
) -> None:
    server = FakeServer()
    server.connected = False
    redis = FakeRedis(server=server)
    monkeypatch.setattr(calls, "_enqueuer", lambda: Enqueuer(Settings(), sync_redis=redis))
    log(place, line())
    with pytest.raises(RedisUnavailable):
        daily_report(day=str(DAY), mail_to="ops@example.com")  # type: ignore[arg-type]
    assert not job.given_up
