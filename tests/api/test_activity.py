"""One line for each response, whatever became of it, and never at the cost of a response."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI, Response
from pydantic import SecretStr
from starlette.background import BackgroundTask

from app.api import activity as activity_module
from app.api.activity import ActivityLog, Record
from app.local.ports import any_free

MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}
JSON = {"Content-Type": "application/json"}
LARGE = 30_000_000  # bytes, far more than sockets buffer

KEYS = {
    *("time", "request_id", "method", "route", "path", "status", "duration", "bytes", "caller"),
    "job_id",
}


async def boom() -> None:
    raise ZeroDivisionError


async def slow() -> str:
    await asyncio.sleep(0.3)
    return "done"


async def large() -> Response:
    return Response(b"x" * LARGE)


async def bad_task() -> Response:
    def fail() -> None:
        raise ZeroDivisionError

    return Response(b"ok", background=BackgroundTask(fail))


def add_routes(app: FastAPI) -> None:
    for endpoint in (boom, large, bad_task):
        app.add_api_route(f"/{endpoint.__name__}", endpoint)
    app.add_api_route("/slow", slow, methods=["GET", "POST"])


def record(n):
    return Record(time.time(), "id", "GET", "/", "/", n, 0.1, 0, None, None)


def numbers(path):
    return [json.loads(line)["status"] for line in path.read_text().splitlines()]


# What a line says.


def test_a_line_says_who_asked_what_and_how_it_was_answered(api, activity):
    before = datetime.now(UTC).replace(microsecond=0)

    answer = api.post("/tasks/send_email", json=MAIL, headers={"X-Request-ID": "mine"})

    [line] = activity(1)
    assert set(line) == KEYS
    assert line["time"].endswith("Z")
    assert datetime.fromisoformat(line.pop("time")) >= before
    assert 0 < line.pop("duration") < 5
    assert line == {
        "request_id": "mine",
        "method": "POST",
        "route": "/tasks/{task}",
        "path": "/tasks/send_email",
        "status": 202,
        "bytes": len(answer.content),
        "caller": "testclient",
        "job_id": answer.json()["id"],
    }


def test_a_line_names_the_job_that_a_path_is_about(api, activity):
    job = api.post("/tasks/send_email", json=MAIL).json()["id"]
    api.post(f"/jobs/{job}/cancel")

    line = activity(2)[1]
    assert (line["route"], line["path"]) == ("/jobs/{job_id}/cancel", f"/jobs/{job}/cancel")
    assert (line["status"], line["job_id"]) == (200, job)


def test_every_outcome_has_its_line(make_client, activity):
    api = make_client(max_body_bytes=300)
    ask = [
        ("GET", "/", {}, 200),
        ("POST", "/tasks/send_email", {"json": MAIL}, 202),
        ("GET", "/tasks/", {"follow_redirects": False}, 307),
        ("POST", "/tasks/send_email", {"content": b"{", "headers": JSON}, 400),
        ("GET", "/", {"headers": {"Host": "evil.example"}}, 403),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/docs/assets/none", {}, 404),
        ("GET", "/jobs/1", {}, 404),
        ("PUT", "/tasks", {}, 405),
        ("GET", "/jobs/1/result", {}, 404),
        ("POST", "/tasks/send_email", {"content": b" " * 301, "headers": JSON}, 413),
        ("POST", "/tasks/send_email", {"content": b"{}"}, 415),
        ("POST", "/tasks/send_email", {"json": {}}, 422),
        ("GET", "/health/ready", {}, 503),
    ]

    for method, path, options, status in ask:
        assert api.request(method, path, **options).status_code == status

    lines = activity(len(ask))
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        (method, path, status) for method, path, _, status in ask
    ]
    assert all(set(line) == KEYS for line in lines)
    routes = {line["path"]: line["route"] for line in lines}
    assert routes["/nowhere"] is None
    assert routes["/jobs/1/result"] == "/jobs/{job_id}/result"
    assert routes["/tasks"] == "/tasks"


def test_a_failed_request_and_a_redis_that_is_away_have_their_lines(serve, activity):
    served = serve(
        prepare=add_routes, redis_url=SecretStr(f"redis://127.0.0.1:{any_free('127.0.0.1')}/0")
    )

    assert served.ask("GET", "/boom")[0] == 500
    assert served.ask("GET", "/queues")[0] == 503

    assert [(line["path"], line["status"]) for line in activity(2)] == [
        ("/boom", 500),
        ("/queues", 503),
    ]


def test_a_background_task_that_fails_does_not_lose_the_line(serve, activity):
    served = serve(prepare=add_routes)

    assert served.ask("GET", "/bad_task") == (200, b"ok")

    [line] = activity(1)
    assert (line["path"], line["status"], line["bytes"]) == ("/bad_task", 200, 2)


# Clients that leave, and clients that are slow.


def test_a_client_that_leaves_before_its_answer_is_recorded_as_499(serve, activity):
    served = serve(prepare=add_routes)

    with served.connect() as connection:
        connection.sendall(served.head("GET", "/slow"))
        time.sleep(0.05)

    [line] = activity(1)
    assert (line["path"], line["status"]) == ("/slow", 499)
    assert line["duration"] > 0.2


def test_so_is_one_that_has_sent_a_body_that_nobody_read(serve, activity):
    served = serve(prepare=add_routes)

    with served.connect() as connection:
        connection.sendall(served.head("POST", "/slow", Content_Length=4) + b"body")
        time.sleep(0.05)

    assert activity(1)[0]["status"] == 499


def test_a_client_that_waits_for_a_slow_answer_is_recorded_with_its_status(serve, activity):
    served = serve(prepare=add_routes)

    assert served.ask("GET", "/slow") == (200, b'"done"')
    assert served.ask("POST", "/slow", b"body")[0] == 200

    assert [line["status"] for line in activity(2)] == [200, 200]


def test_a_client_that_leaves_amid_its_body_is_recorded_as_499(serve, activity):
    served = serve()

    with served.connect() as connection:
        head = served.head("POST", "/tasks/send_email", Content_Length=100, **JSON)
        connection.sendall(head + b'{"to": ')
        time.sleep(0.05)

    [line] = activity(1)
    assert (line["path"], line["status"], line["bytes"]) == ("/tasks/send_email", 499, 0)
    assert served.ask("GET", "/queues/high")[0] == 200


def test_a_client_that_reads_slowly_delays_neither_the_record_nor_other_requests(serve, activity):
    served = serve(prepare=add_routes)

    with served.connect() as connection:
        connection.sendall(served.head("GET", "/large", Connection="close"))
        [line] = activity(1)  # while nothing of it has been read
        begun = time.monotonic()
        assert served.ask("GET", "/health/live")[0] == 200
        assert time.monotonic() - begun < 20
        received = 0
        while data := connection.recv(1_000_000):
            received += len(data)

    assert (line["path"], line["status"], line["bytes"]) == ("/large", 200, LARGE)
    assert received > LARGE


def test_a_disk_that_hangs_delays_no_response(serve, settings, tmp_path):
    os.mkfifo(tmp_path / "pipe")  # whose opening waits for a reader
    served = serve(activity_log=tmp_path / "pipe")

    begun = time.monotonic()
    statuses = [served.ask("GET", "/health/live")[0] for _ in range(20)]

    assert statuses == [200] * 20
    assert time.monotonic() - begun < 20
    with (tmp_path / "pipe").open() as reader:  # lets it go on
        served.stop()
        assert len(reader.readlines()) == 20


# When lines cannot be written.


def test_a_full_disk_is_counted_and_told_once_and_the_service_goes_on(
    make_client, eventually, capsys
):
    api = make_client(activity_log=Path("/dev/full"))
    log = api.app.state.service.activity

    for n in range(3):
        assert api.get("/health/live").status_code == 200
        eventually(lambda n=n: log.dropped == n + 1)

    assert log.written == 0
    assert capsys.readouterr().err.count("activity.not_written path=/dev/full error=") == 1


def test_a_disk_with_room_again_is_written_to_again(tmp_path, eventually):
    path = tmp_path / "gone" / "activity.jsonl"
    path.parent.touch()  # a file where its folder should be
    log = ActivityLog(path)
    log.start()
    asyncio.run(log.add(record(1)))
    eventually(lambda: log.dropped == 1)

    path.parent.unlink()
    asyncio.run(log.add(record(2)))
    log.close()

    assert numbers(path) == [2]
    assert (log.written, log.dropped) == (1, 1)


def test_a_disk_that_fills_up_amid_a_line_keeps_whole_lines_only(tmp_path):
    path = tmp_path / "activity.jsonl"
    script = textwrap.dedent("""
        import asyncio, resource, sys, time
        from pathlib import Path
        from app.api.activity import ActivityLog, Record

        def add(log, n):
            asyncio.run(log.add(Record(0, "id", "GET", "/", "/", n, 0.1, 0, None, None)))
            while log.written + log.dropped <= n:
                time.sleep(0.001)

        resource.setrlimit(resource.RLIMIT_FSIZE, (450, resource.RLIM_INFINITY))
        log = ActivityLog(Path(sys.argv[1]))
        log.start()
        for n in range(6):
            add(log, n)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        add(log, 6)
        log.close()
        print(log.written, log.dropped)
    """)

    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout == "3 4\n"
    assert numbers(path) == [0, 1, 6]


def test_lines_beyond_what_may_wait_are_dropped_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(activity_module, "MOST_WAITING", 3)
    log = ActivityLog(tmp_path / "activity.jsonl")

    for n in range(5):  # while nothing is written yet
        asyncio.run(log.add(record(n)))
    log.start()
    log.close()

    assert (log.written, log.dropped) == (3, 2)
    assert numbers(log.path) == [0, 1, 2]


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path, eventually):
    path = tmp_path / "activity.jsonl"
    log = ActivityLog(path)
    log.start()
    asyncio.run(log.add(record(1)))
    eventually(lambda: log.written == 1)

    path.rename(tmp_path / "activity.1")
    asyncio.run(log.add(record(2)))
    log.close()

    assert numbers(path) == [2]
    assert numbers(tmp_path / "activity.1") == [1]


def test_the_folder_of_the_log_is_made(tmp_path):
    log = ActivityLog(tmp_path / "new" / "er" / "activity.jsonl")
    log.start()
    asyncio.run(log.add(record(1)))
    log.close()

    assert numbers(log.path) == [1]


def test_others_cannot_read_the_log(api, settings, activity):
    api.get("/")
    activity(1)

    assert settings.activity_log.stat().st_mode & 0o007 == 0


# The end.


def test_a_shutdown_writes_what_waits(serve, settings):
    served = serve()

    for _ in range(50):
        served.ask("GET", "/health/live")
    served.stop()

    assert len(settings.activity_log.read_text().splitlines()) == 50


def test_closing_writes_all_that_was_added(tmp_path):
    log = ActivityLog(tmp_path / "activity.jsonl")
    log.start()

    async def add_all():
        for n in range(5000):
            await log.add(record(n))

    asyncio.run(add_all())
    log.close()

    assert numbers(log.path) == list(range(5000))
    assert (log.written, log.dropped) == (5000, 0)
