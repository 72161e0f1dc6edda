"""POST /items/{item_id}/process: the work comes after the response, in a session of its own."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.orm import Session

from jobs.settings import job_settings

from .conftest import Logged


@pytest.fixture
def database(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = here / "items.db"
    monkeypatch.setenv("TASK_API_DATABASE_URL", f"sqlite:///{path}?timeout=0.1")
    job_settings.cache_clear()
    return path


@pytest.fixture
def item_id(client: TestClient, database: Path) -> int:
    answer = client.post("/items", json={"name": "lamp"})
    assert answer.status_code == 201
    found: int = answer.json()["id"]
    return found


def test_an_item_is_answered_as_it_stands_and_processed_behind_the_response(
    client: TestClient, item_id: int
) -> None:
    answer = client.post(f"/items/{item_id}/process")

    assert answer.status_code == 202
    assert answer.json() == {
        "id": item_id, "name": "lamp", "status": "pending", "processed_at": None
    }  # fmt: skip
    assert client.get(f"/items/{item_id}").json()["status"] == "processed"


def test_the_background_task_has_a_session_of_its_own_and_the_request_s_has_ended(
    client: TestClient, item_id: int
) -> None:
    sessions: list[Session] = []
    still_open: list[list[Session]] = []

    def remember(session: Session, *_: object) -> None:
        still_open.append([each for each in sessions if each.in_transaction()])
        sessions.append(session)

    event.listen(Session, "after_begin", remember)
    try:
        client.post(f"/items/{item_id}/process")
    finally:
        event.remove(Session, "after_begin", remember)

    of_the_request, of_the_task = sessions
    assert of_the_request is not of_the_task
    assert still_open == [[], []]


def test_an_item_that_could_not_be_processed_stays_pending_and_is_processed_another_time(
    client: TestClient, item_id: int, database: Path, logged: Logged
) -> None:
    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN IMMEDIATE")  # others may read, and not write
        assert client.post(f"/items/{item_id}/process").status_code == 202
        other.rollback()
    assert "database is locked" in "\n".join(logged())
    assert client.get(f"/items/{item_id}").json()["status"] == "pending"

    client.post(f"/items/{item_id}/process")

    assert client.get(f"/items/{item_id}").json()["status"] == "processed"


def test_processing_twice_leaves_what_processing_once_does(
    client: TestClient, item_id: int
) -> None:
    client.post(f"/items/{item_id}/process")
    first = client.get(f"/items/{item_id}").json()

    assert client.post(f"/items/{item_id}/process").json() == first
    assert client.get(f"/items/{item_id}").json() == first


@pytest.mark.parametrize(("method", "path"), [("GET", "/items/7"), ("POST", "/items/7/process")])
def test_an_unknown_item_is_a_problem_that_says_how_to_make_one(
    client: TestClient, database: Path, method: str, path: str
) -> None:
    answer = client.request(method, path)

    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/unknown-item"
    assert answer.json()["detail"] == "There is no item 7; POST /items makes one."


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/items", {"name": ""}),
        ("/items", {"name": "x" * 201}),
        ("/items", {"name": "lamp", "status": "processed"}),
        ("/items/0/process", None),
        ("/items/lamp/process", None),
        (f"/items/{2**64}/process", None),
    ],
)
def test_what_does_not_fit_is_refused(
    client: TestClient, database: Path, path: str, body: object
) -> None:
    answer = client.post(path, json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"]
