"""Work beside other work: threads, order, and what the request holds open."""

from pathlib import Path

import httpx
import pytest

from .conftest import Start
from .evidence import Notes, settle
from .processes import TASKS, WORKER, Process, Server, wait_until


def test_background_tasks_in_threads_keep_endpoints_waiting_and_jobs_do_not(
    server: Server, server_notes: Notes
) -> None:
    threads = 40  # anyio's default for a process
    for number in range(threads):
        server.post(f"/queue/q{number}")
    assert server.get("/plain").json() == "here"

    for number in range(threads):
        server.post(f"/background/b{number}")

    with pytest.raises(httpx.ReadTimeout):
        server.get("/plain", timeout=1)
    server_notes.let_go(*(f"b{number}" for number in range(threads)))
    assert server.get("/plain").json() == "here"


def test_background_tasks_of_a_response_run_one_after_another(
    server: Server, server_notes: Notes
) -> None:
    server_notes.let_go("order-second")
    server.post("/one-after-another/order")
    server_notes.wait_for("order-first", "begun")

    settle(server, server_notes)

    assert server_notes.of("order-second") == []
    server_notes.let_go("order-first")
    server_notes.wait_for("order-second", "ended")


def test_two_workers_run_two_jobs_at_the_same_time(
    start: Start, server: Server, notes: Notes
) -> None:
    for name in ("one", "two"):
        server.post(f"/queue/{name}")

    for _ in range(2):
        start(Process, *WORKER, **TASKS)

    notes.wait_for("one", "begun")
    notes.wait_for("two", "begun")
    assert (notes.of("one"), notes.of("two")) == (["begun"], ["begun"])


def test_a_dependency_with_yield_is_held_until_the_background_tasks_have_ended(
    server: Server, shared_folder: Path
) -> None:
    server.post("/with-session")

    lines = (shared_folder / "notes").read_text
    wait_until(lambda: "session closed" in lines())
    assert lines().index("task ran") < lines().index("session closed")
