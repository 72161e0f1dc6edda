"""process_item against real SQLite files, in this process, in forked ones and in fresh ones."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from jobs.database import Item, transaction
from jobs.items import ItemNotFoundError, add_item, process_item

from .conftest import Configure, FakeJob


@pytest.fixture
def database(tmp_path: Path, configure: Configure) -> Path:
    path = tmp_path / "not yet there" / "items.db"
    configure(DATABASE_URL=f"sqlite:///{path}?timeout=0.2")
    return path


def run_python(script: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=root,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def output_of(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


def test_a_pending_item_becomes_processed_now_in_utc(database: Path) -> None:
    item_id = add_item("first")
    before = datetime.now(UTC)

    done = process_item(item_id)

    assert (done.id, done.name, done.status) == (item_id, "first", "processed")
    assert before <= done.processed_at <= datetime.now(UTC)
    assert done.processed_at.utcoffset() == timedelta(0)
    with closing(sqlite3.connect(database)) as plain:
        rows = plain.execute("SELECT name, status FROM items").fetchall()
    assert rows == [("first", "processed")]


def test_a_second_run_leaves_what_the_first_has_left(database: Path) -> None:
    item_id = add_item("delivered twice")
    assert process_item(item_id) == process_item(item_id)


def test_processing_one_item_leaves_the_others_alone(database: Path) -> None:
    first, second = add_item("a"), add_item("b")
    process_item(first)
    with transaction() as session:
        other = session.get_one(Item, second)
    assert (other.status, other.processed_at) == ("pending", None)


def test_an_item_that_does_not_exist_is_a_named_error_and_not_tried_again(
    database: Path, job: FakeJob
) -> None:
    with pytest.raises(ItemNotFoundError, match=r"No item 7\..*add_item"):
        process_item(item_id=7)
    assert job.given_up


@pytest.mark.parametrize("item_id", [0, -1, 2**31, 2**70, "x", None])
def test_an_id_that_no_database_holds_is_refused_before_it_is_asked(
    database: Path, item_id: Any
) -> None:
    with pytest.raises(ValidationError):
        process_item(item_id)
    assert not database.exists()


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_name_that_does_not_fit_the_column_is_refused(database: Path, name: str) -> None:
    with pytest.raises(ValidationError):
        add_item(name)


def test_a_locked_database_is_tried_again_and_then_works(database: Path, job: FakeJob) -> None:
    item_id = add_item("wanted by two")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OperationalError, match="database is locked"):
            process_item(item_id=item_id)
    assert not job.given_up

    assert process_item(item_id=item_id).status == "processed"


def test_an_error_inside_a_transaction_undoes_all_of_it(database: Path) -> None:
    item_id = add_item("stays pending")

    def fail_half_way() -> None:
        with transaction() as session:
            session.get_one(Item, item_id).status = "processed"
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with transaction() as session:
        assert session.get_one(Item, item_id).status == "pending"


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_moment_of_another_zone_is_kept_as_the_same_moment_in_utc(
    database: Path, in_tokyo: None
) -> None:
    moment = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=5)))
    with transaction() as session:
        session.add(Item(name="far east", status="processed", processed_at=moment))
    with transaction() as session:
        found = session.get_one(Item, 1).processed_at
    assert found == moment
    assert found.isoformat() == "2026-02-28T20:30:00+00:00"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///file:{path}?uri=true"])
def test_a_database_in_memory_or_named_by_a_uri_needs_no_folder(
    tmp_path: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    configure(DATABASE_URL=url.format(path=tmp_path / "items.db"))
    assert process_item(add_item("x")).status == "processed"
    assert {path.name for path in tmp_path.iterdir()} <= {"items.db"}


FORKED = """
import os
from jobs.database import _sessions, transaction
from jobs.items import add_item, process_item

item_id = add_item("from the parent")          # the parent's engine has an open connection now
parents_engine = _sessions.cache_info().currsize
child = os.fork()
if child == 0:
    try:
        done = process_item(item_id)
        assert _sessions.cache_info().currsize == parents_engine + 1, "shared an engine"
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), process_item(item_id).status, add_item("after"))
"""


def test_a_forked_process_makes_its_own_engine_and_leaves_its_parents_usable(
    database: Path,
) -> None:
    assert output_of(run_python(FORKED)) == "0 processed 2"


def test_many_fresh_processes_make_the_table_once_and_process_an_item_once(
    database: Path, configure: Configure
) -> None:
    configure(DATABASE_URL=f"sqlite:///{database}")  # waits 5 s for a lock
    makers = [run_python("from jobs.items import add_item; add_item('x')") for _ in range(4)]
    for maker in makers:
        output_of(maker)

    script = "from jobs.items import process_item; print(process_item(4).processed_at.isoformat())"
    moments = {output_of(process) for process in [run_python(script) for _ in range(3)]}

    assert len(moments) == 1
    assert process_item(4).processed_at.isoformat() in moments
