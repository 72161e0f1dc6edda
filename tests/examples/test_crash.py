"""A crash: what is left of a background task, and of a job."""

import os
import re
import signal

import redis

from .conftest import Start
from .evidence import Notes, reason, status
from .processes import APP, TASKS, WORKER, Process, Server, wait_until


def test_a_background_task_is_lost_when_its_process_is_killed(start: Start, notes: Notes) -> None:
    first = start(Server, *APP, **TASKS)
    assert first.post("/one-after-another/lost").status_code == 200
    notes.wait_for("lost-first", "begun")

    first.kill()

    notes.let_go("lost-first", "lost-second", "next")
    second = start(Server, *APP, **TASKS)
    second.post("/background/next")
    notes.wait_for("next", "ended")
    assert notes.of("lost-first") == ["begun"]
    assert notes.of("lost-second") == []


def test_a_queued_job_outlives_the_process_that_enqueued_it(start: Start, notes: Notes) -> None:
    server = start(Server, *APP, **TASKS)
    assert server.post("/queue/kept").status_code == 200

    server.kill()

    notes.let_go("kept")
    assert start(Process, *WORKER, "--burst", **TASKS).wait() == 0
    assert notes.of("kept") == ["begun", "ended"]


def test_a_job_whose_process_is_killed_is_run_again_or_fails_with_the_reason(
    start: Start, server: Server, redis_client: redis.Redis, notes: Notes
) -> None:
    again = server.post("/queue/again?retries=1").json()
    once = server.post("/queue/once?retries=0").json()
    start(Process, *WORKER, **TASKS)

    for name in ("again", "once"):
        notes.wait_for(name, "begun")
        os.kill(notes.process_of(name), signal.SIGKILL)
    notes.let_go("again", "once")

    wait_until(lambda: status(redis_client, again) == "finished")
    assert notes.of("again") == ["begun", "begun", "ended"]
    assert status(redis_client, once) == "failed"
    assert re.search("work-?horse ?terminated", reason(redis_client, once), re.IGNORECASE)
    assert notes.of("once") == ["begun"]


def test_a_job_whose_worker_is_killed_stays_in_redis_and_is_run_by_another(
    start: Start, server: Server, redis_client: redis.Redis, notes: Notes
) -> None:
    job = server.post("/queue/orphan").json()
    soon = {**TASKS, "TASK_API_TAKEOVER_AFTER": "5"}  # seconds, the least there is
    worker = start(Process, *WORKER, **soon)
    notes.wait_for("orphan", "begun")

    worker.kill()

    assert status(redis_client, job) == "started"
    notes.let_go("orphan")
    start(Process, *WORKER, **soon)
    wait_until(lambda: status(redis_client, job) == "finished")
    assert notes.of("orphan") == ["begun", "begun", "ended"]
