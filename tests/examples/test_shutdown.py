"""A shutdown in the middle of the work."""

import time

import redis

from .conftest import Start
from .evidence import Notes, status, waiting_jobs
from .processes import APP, TASKS, WORKER, Process, Server


def test_a_shutdown_waits_for_background_tasks_without_end(start: Start, notes: Notes) -> None:
    server = start(Server, *APP, **TASKS)
    server.post("/background-async/slow")
    notes.wait_for("slow", "begun")

    server.terminate()

    server.wait_for_log("Waiting for background tasks to complete")
    time.sleep(1)
    assert not server.ended
    notes.let_go("slow")
    server.wait()
    assert notes.of("slow") == ["begun", "ended"]


def test_a_shutdown_with_a_time_limit_cuts_background_tasks_off(start: Start, notes: Notes) -> None:
    server = start(Server, *APP, "--timeout-graceful-shutdown", 1, **TASKS)
    server.post("/background-async/coroutine")
    server.post("/background/thread")
    notes.wait_for("coroutine", "begun")
    notes.wait_for("thread", "begun")

    server.terminate()

    server.wait()
    notes.let_go("coroutine", "thread")
    assert notes.of("coroutine") == ["begun", "cancelled"]
    assert notes.of("thread") == ["begun"]


def test_ctrl_c_waits_for_threads_beyond_the_time_limit(start: Start, notes: Notes) -> None:
    server = start(Server, *APP, "--timeout-graceful-shutdown", 1, **TASKS)
    server.post("/background/thread")
    notes.wait_for("thread", "begun")

    server.interrupt()

    server.wait_for_log("Finished server process")
    time.sleep(0.5)
    assert not server.ended
    notes.let_go("thread")
    server.wait()
    assert notes.of("thread") == ["begun", "ended"]


def test_a_worker_told_to_end_puts_the_job_back_that_would_take_too_long(
    start: Start, server: Server, redis_client: redis.Redis, notes: Notes
) -> None:
    job = server.post("/queue/long?retries=0").json()
    worker = start(Process, *WORKER, **TASKS, TASK_API_SHUTDOWN_GRACE="1")
    notes.wait_for("long", "begun")

    worker.terminate()
    worker.wait()

    assert (status(redis_client, job), waiting_jobs(redis_client)) == ("queued", ["long"])
    notes.let_go("long")
    assert start(Process, *WORKER, "--burst", **TASKS).wait() == 0
    assert status(redis_client, job) == "finished"
    assert notes.of("long") == ["begun", "begun", "ended"]
