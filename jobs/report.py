"""Count a day of the service, as a table for spreadsheets and as a page with a chart."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, EmailStr, Field

from app.tasks import task
from jobs.activity_log import ActivityLogMissingError, DayCounts, Tally, count_day
from jobs.database import Item, transaction
from jobs.email import send_email
from jobs.extra import needs_extra
from jobs.files import replace_file
from jobs.settings import job_settings

with needs_extra("jobs"):
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from sqlalchemy import func, select

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for a formula: https://owasp.org/www-community/attacks/CSV_Injection"""

ROUTES_ON_PAGE = 50
COLUMNS = ("kind", "name", "count", "refused", "failed", "mean_seconds", "max_seconds", "bytes")


class DailyReport(BaseModel):
    """The counts of a day, and where the report was written."""

    day: date
    responses: int
    refused: int = Field(description="Responses with a status of 4xx.")
    failed: int = Field(description="Responses with a status of 5xx.")
    items_processed: int
    broken_lines: int = Field(description="Lines of the log, of any day, that were left out.")
    csv: str
    html: str
    mail_job: str | None = Field(description="Job that mails the counts.")


@task(timeout=600, retries=2, backoff=10, give_up_on=(ActivityLogMissingError,))
def daily_report(
    day: Annotated[
        date | None, Field(description="A day in UTC; yesterday where it is left out.")
    ] = None,
    mail_to: Annotated[
        EmailStr | None, Field(description="Who gets the counts by mail, in a job of its own.")
    ] = None,
) -> DailyReport:
    """Report a day: responses from the activity log, processed items from the database.

    Writes `daily-<day>.csv` and `daily-<day>.html`, over those of an earlier run.
    """
    settings = job_settings()
    day = day or datetime.now(UTC).date() - timedelta(days=1)
    counts = count_day(settings.activity_log, day)
    items = count_items(day)
    folder = settings.report_dir.absolute()
    table = folder / f"daily-{day}.csv"
    page = folder / f"daily-{day}.html"
    replace_file(table, as_csv(counts, items).encode())
    replace_file(page, as_html(counts, items).encode())
    report = DailyReport(
        day=day,
        responses=counts.total.count,
        refused=counts.total.refused,
        failed=counts.total.failed,
        items_processed=items,
        broken_lines=counts.broken_lines,
        csv=str(table),
        html=str(page),
        mail_job=None,
    )
    if mail_to is not None:  # last, so that an attempt that fails has mailed nothing
        mail = send_email.enqueue(mail_to, f"Report of {day}", as_text(report))
        report.mail_job = mail.id
    return report


def count_items(day: date) -> int:
    """Count the items that were first processed on a day (UTC)."""
    first, last = (datetime.combine(day, clock, UTC) for clock in (time.min, time.max))
    with transaction() as session:
        return session.scalars(
            select(func.count()).where(Item.processed_at.between(first, last))
        ).one()


def as_csv(counts: DayCounts, items: int) -> str:
    """Write one table; `kind` says what a row counts: total, hour, status, route, items, log."""
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(COLUMNS)
    for kind, name, tally in _tallies(counts):
        rows.writerow((kind, defuse(name), *_numbers(tally)))
    rows.writerow(("items", "processed", items, "", "", "", "", ""))
    rows.writerow(("log", "broken lines", counts.broken_lines, "", "", "", "", ""))
    return file.getvalue()


def defuse(cell: str) -> str:
    """Keep a spreadsheet from running a cell, which strangers may have written, as a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def as_html(counts: DayCounts, items: int) -> str:
    """Write a page that needs nothing else: chart, style and all. Everything in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        counts=counts,
        items=items,
        statuses=sorted(counts.statuses.items()),
        routes=_busiest(counts)[:ROUTES_ON_PAGE],
        left_out=max(0, len(counts.routes) - ROUTES_ON_PAGE),
    )


def as_text(report: DailyReport) -> str:
    """Write the mail: numbers only, nothing that a stranger chose."""
    return (
        f"Day (UTC): {report.day}\n"
        f"Responses: {report.responses}\n"
        f"Refused (4xx): {report.refused}\n"
        f"Failed (5xx): {report.failed}\n"
        f"Items processed: {report.items_processed}\n"
        f"Broken log lines: {report.broken_lines}\n"
        f"\n{report.html}\n{report.csv}\n"
    )


def _tallies(counts: DayCounts) -> Iterator[tuple[str, str, Tally]]:
    yield "total", "responses", counts.total
    for hour, tally in enumerate(counts.hours):
        yield "hour", f"{hour:02}", tally
    for status, tally in sorted(counts.statuses.items()):
        yield "status", str(status), tally
    for route, tally in _busiest(counts):
        yield "route", route, tally


def _busiest(counts: DayCounts) -> list[tuple[str, Tally]]:
    return sorted(counts.routes.items(), key=lambda route: (-route[1].count, route[0]))


def _numbers(tally: Tally) -> tuple[object, ...]:
    mean, slowest = round(tally.mean, 6), round(tally.slowest, 6)
    return tally.count, tally.refused, tally.failed, mean, slowest, tally.bytes
