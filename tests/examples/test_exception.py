"""An exception, in the endpoint and in the work itself."""

import pytest
import redis

from .conftest import Start
from .evidence import Notes, reason, settle, status, waiting_jobs
from .processes import TASKS, WORKER, Process, Server


@pytest.mark.parametrize("code", [409, 500])
def test_an_endpoint_that_raises_runs_no_background_task_and_keeps_what_it_has_enqueued(
    server: Server, redis_client: redis.Redis, server_notes: Notes, code: int
) -> None:
    assert server.post(f"/both-then-raise/{code}", params={"status": code}).status_code == code

    settle(server, server_notes)
    assert server_notes.of(str(code)) == []
    assert waiting_jobs(redis_client) == [str(code)]


def test_a_background_task_that_raises_ends_those_behind_it_and_is_only_logged(
    server: Server, server_notes: Notes
) -> None:
    server_notes.let_go("broken-second")

    assert server.post("/one-after-another/broken?fails=true").status_code == 200

    server.wait_for_log("RuntimeError: broken-first cannot be done")
    settle(server, server_notes)
    assert server_notes.of("broken-first") == ["begun"]
    assert server_notes.of("broken-second") == []


def test_a_job_that_raises_is_tried_again_keeps_its_error_and_holds_up_no_other(
    start: Start, server: Server, redis_client: redis.Redis, notes: Notes
) -> None:
    failing = server.post("/queue/failing?fails=true&retries=1").json()
    other = server.post("/queue/other").json()
    notes.let_go("other")

    assert start(Process, *WORKER, "--burst", **TASKS).wait() == 0

    assert notes.of("failing") == ["begun", "begun"]
    assert status(redis_client, failing) == "failed"
    assert "RuntimeError: failing cannot be done" in reason(redis_client, failing)
    assert status(redis_client, other) == "finished"
