"""`Prefer: wait=N`: answered at the end, or as things stand; at no cost to those who leave."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from app.local.ports import any_free
from app.queue.watching.events import Events
from tests.api.conftest import wait_for
from tests.api.watching.requests import ask
from tests.worker.processes import ROOT, SAMPLES

MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}


def wait_in_a_thread(served, *request, **headers):
    return ThreadPoolExecutor(1).submit(ask, served, *request, **headers)


def until_waited_for(served, count):
    """Wait until callers wait for so many jobs, and it is known how those stand."""
    watched = served.app.state.service.events._listeners.jobs
    wait_for(lambda: sum(each._as_of is not None for each in list(watched.values())) == count)


def test_a_post_is_answered_with_the_ended_job(served, worker):
    answer, job, _ = ask(served, "POST", "/tasks/add", {"left": 2}, Prefer="wait=60")

    assert (answer.status, job["status"], job["result"]) == (200, "finished", 3)
    assert answer.headers["preference-applied"] == "wait=60"
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert answer.headers["retry-after"] is None


def test_a_get_is_answered_once_the_job_has_ended(served, worker, redis_client):
    ask(served, "POST", "/tasks/add", {"left": 1}, Prefer="wait=60")  # it is up
    _, job, _ = ask(served, "POST", "/tasks/sleep", {"seconds": 0.7})

    answer, job, seconds = ask(served, "GET", f"/jobs/{job['id']}", Prefer="wait=60")

    assert (answer.status, job["status"], job["result"]) == (200, "finished", "slept")
    assert answer.headers["preference-applied"] == "wait=60"
    assert 0.3 < seconds < 30


def test_a_failed_job_is_answered_with_its_error(served, worker):
    answer, job, _ = ask(served, "POST", "/tasks/fail", {"message": "no"}, Prefer="wait=60")

    assert (answer.status, job["status"]) == (200, "failed")
    assert (job["error"]["type"], job["error"]["message"]) == ("ValueError", "no")


def test_a_job_whose_result_is_kept_for_no_time_is_answered_as_its_end_told(served, worker):
    path = "/tasks/add?result_ttl=0"

    answer, job, _ = ask(served, "POST", path, {"left": 2}, Prefer="wait=60")

    assert (answer.status, job["status"]) == (200, "finished")
    assert job["ended_at"] is not None


@pytest.mark.parametrize("at_first", [{}, {"Prefer": "wait=60"}])
def test_a_request_that_is_sent_again_waits_if_it_says_so_this_time(served, worker, at_first):
    request = "POST", "/tasks/add", {"left": 2}
    key = {"Idempotency-Key": "k"}
    _, first, _ = ask(served, *request, **key, **at_first)

    answer, job, _ = ask(served, *request, **key, Prefer="wait=60")
    stored, accepted, _ = ask(served, *request, **key)

    assert (answer.status, job["status"], job["result"]) == (200, "finished", 3)
    assert answer.headers["preference-applied"] == "wait=60"
    assert (stored.status, accepted["status"]) == (202, "queued")
    assert first["id"] == job["id"] == accepted["id"]
    for each in (answer, stored):
        assert each.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(("told", "expected"), [("finished", 200), ("deleted", 410)])
def test_a_new_job_that_was_gone_before_it_was_listened_to_is_answered_by_its_events(
    served, redis_client, monkeypatch, told, expected
):
    gone = b"local id = redis.call('LPOP', 'rq:queue:default') redis.call('DEL', 'rq:job:' .. id) "
    gone += b"redis.call('XADD', 'task-api:events', '*', 'job', id, 'status', ARGV[1])"
    begin = Events.of_job

    def late(events, job_id):
        redis_client.eval(gone, 0, told)
        return begin(events, job_id)

    monkeypatch.setattr(Events, "of_job", late)

    answer, job, seconds = ask(served, "POST", "/tasks/add", {"left": 2}, Prefer="wait=60")

    assert answer.status == expected
    assert job["status"] == ("finished" if expected == 200 else 410)
    assert seconds < 30


@pytest.mark.parametrize("path", ["/tasks/add?retries=1", "/tasks/add?delay=60"])
def test_a_job_that_does_not_end_in_time_is_answered_as_it_stands(served, path):
    answer, job, seconds = ask(served, "POST", path, {"left": 2}, Prefer="wait=1")
    again, same, _ = ask(served, "GET", f"/jobs/{job['id']}", Prefer="wait=0")
    _, plain, _ = ask(served, "GET", f"/jobs/{job['id']}")

    assert answer.status == again.status == 202
    assert job["status"] in {"queued", "scheduled"}
    assert job == same == plain  # its place in the line included
    for each, applied in ((answer, "wait=1"), (again, "wait=0")):
        assert each.headers["preference-applied"] == applied
        assert each.headers["location"] == f"/jobs/{job['id']}"
        assert each.headers["retry-after"] == "1"
    assert 1.0 <= seconds < 30


def test_what_is_no_wait_is_ignored(served):
    answer, job, seconds = ask(served, "POST", "/tasks/add", {"left": 2}, Prefer="wait=soon")

    assert (answer.status, answer.headers["preference-applied"]) == (202, None)
    assert seconds < 30
    answer, _, _ = ask(served, "GET", f"/jobs/{job['id']}", Prefer="respond-async")
    assert (answer.status, answer.headers["preference-applied"]) == (200, None)


def test_a_job_that_is_not_there_is_not_waited_for(served):
    answer, problem, seconds = ask(served, "GET", "/jobs/none", Prefer="wait=60")

    assert (answer.status, problem["type"]) == (404, "/problems/unknown-job")
    assert seconds < 30


def test_a_job_that_is_canceled_or_deleted_is_waited_for_no_longer(served):
    for method, suffix, status in (("POST", "/cancel", 200), ("DELETE", "", 410)):
        _, job, _ = ask(served, "POST", "/tasks/add?delay=60", {"left": 2})
        waiting = wait_in_a_thread(served, "GET", f"/jobs/{job['id']}", Prefer="wait=60")
        until_waited_for(served, 1)
        assert ask(served, method, f"/jobs/{job['id']}{suffix}")[0].status == 200

        answer, body, seconds = waiting.result()
        assert answer.status == status
        assert body.get("status") in {"canceled", 410}
        assert seconds < 30


def test_a_stock_worker_s_job_that_leaves_no_event_wakes_them_too(served, redis_client):
    _, job, _ = ask(served, "POST", "/tasks/add", {"left": 2})
    waiting = wait_in_a_thread(served, "GET", f"/jobs/{job['id']}", Prefer="wait=60")
    until_waited_for(served, 1)

    redis_client.hset(f"rq:job:{job['id']}", "status", "stopped")
    begun = time.monotonic()
    answer, body, _ = waiting.result()

    assert (answer.status, body["status"]) == (200, "stopped")
    assert time.monotonic() - begun < 30  # a quarter of a second, on a machine that is not busy


def test_a_caller_that_leaves_is_waited_for_no_longer_and_logged_as_such(
    served, activity, eventually
):
    _, job, _ = ask(served, "POST", "/tasks/add?delay=60", {"left": 2})
    events = served.app.state.service.events
    body = json.dumps({"left": 1}).encode()
    post = served.head(
        *("POST", "/tasks/add?delay=60"),
        Prefer="wait=60",
        Content_Type="application/json",
        Content_Length=len(body),
    )
    for request in (served.head("GET", f"/jobs/{job['id']}", Prefer="wait=60"), post + body):
        with served.connect() as connection:
            connection.sendall(request)
            eventually(lambda: len(events._listeners.jobs) == 1)
        eventually(lambda: not events._listeners.jobs)

    lines = activity(3)[1:]
    assert [line["status"] for line in lines] == [499, 499]
    assert lines[0]["job_id"] == job["id"]
    assert all(line["duration"] < 30 for line in lines)


def test_a_thousand_callers_wait_on_a_handful_of_connections(served, redis_client, start):
    async def wait():
        reader, writer = await asyncio.open_connection(*served.address)
        body = json.dumps({"left": 1}).encode()
        head = served.head(
            *("POST", "/tasks/add"),
            Prefer="wait=60",
            Content_Type="application/json",
            Content_Length=len(body),
            Connection="close",
        )
        writer.write(head + body)
        answer = await reader.read()
        writer.close()
        return answer

    before = len(redis_client.client_list())  # other tests of this process have left some

    async def crowd():
        callers = [asyncio.create_task(wait()) for _ in range(1000)]
        while await asyncio.to_thread(redis_client.llen, "rq:queue:default") < 1000:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        connections = await asyncio.to_thread(redis_client.client_list)
        start()
        return await asyncio.gather(*callers), len(connections) - before

    answers, connections = asyncio.run(crowd())

    assert connections <= 5
    assert [answer[9:12] for answer in answers] == [b"200"] * 1000
    assert all(b'"status":"finished"' in answer for answer in answers)


def test_redis_may_go_away_and_come_back_while_callers_wait(serve, samples, own_redis, start):
    served = serve(samples, redis_url=SecretStr(own_redis.url))
    _, job, _ = ask(served, "POST", "/tasks/add", {"left": 1})
    waiting = [
        wait_in_a_thread(served, "GET", f"/jobs/{job['id']}", Prefer="wait=60"),
        wait_in_a_thread(served, "POST", "/tasks/add", {"left": 2}, Prefer="wait=60"),
    ]
    until_waited_for(served, 2)

    own_redis.stop()
    time.sleep(1.0)
    own_redis.start()
    start(redis_url=own_redis.url)

    for each, result in zip(waiting, (2, 3), strict=True):
        answer, job, _ = each.result()
        assert (answer.status, job["result"]) == (200, result)


def test_who_waits_for_a_new_job_is_answered_202_though_redis_stays_away(serve, samples, own_redis):
    served = serve(samples, redis_url=SecretStr(own_redis.url))
    _, job, _ = ask(served, "POST", "/tasks/add", {"left": 1})
    post = wait_in_a_thread(served, "POST", "/tasks/add", {"left": 2}, Prefer="wait=5")
    get = wait_in_a_thread(served, "GET", f"/jobs/{job['id']}", Prefer="wait=5")
    until_waited_for(served, 2)
    own_redis.stop()

    answer, job, _ = post.result()
    assert (answer.status, job["status"]) == (202, "queued")  # it was accepted, and that holds
    answer, problem, _ = get.result()
    assert (answer.status, problem["type"]) == (503, "/problems/redis-unavailable")
    begun = time.monotonic()
    answer, problem, _ = ask(served, "GET", f"/jobs/{job['id']}", Prefer="wait=60")
    assert (answer.status, problem["type"]) == (503, "/problems/redis-unavailable")
    assert time.monotonic() - begun < 30


def test_the_server_s_end_answers_those_who_wait_as_things_stand(redis_url, tmp_path):
    port = any_free("127.0.0.1")
    environment = {
        **os.environ,
        "REDIS_URL": redis_url,
        "TASK_API_TASK_MODULES": SAMPLES,
        "TASK_API_ACTIVITY_LOG": str(tmp_path / "activity.jsonl"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
    try:
        served = Elsewhere(port)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                _, job, _ = ask(served, "POST", "/tasks/add?delay=60", {"left": 1})
                break
            except OSError:
                time.sleep(0.05)
        path = f"/jobs/{job['id']}"
        waiting = wait_in_a_thread(served, "GET", path, Prefer="wait=60")
        paths = (f"{path}/events", "/events")
        under_way = threading.Barrier(len(paths) + 1)
        streams = [
            threading.Thread(target=read_to_the_end, args=(served, each, under_way), daemon=True)
            for each in paths
        ]
        for each in streams:
            each.start()
        under_way.wait(20)
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)

        answer, same, _ = waiting.result(30)
        assert (answer.status, same["status"]) == (202, "scheduled")
        for each in streams:
            each.join(30)
            assert not each.is_alive()
        server.wait(30)
        assert time.monotonic() - begun < 30
        assert "Traceback" not in (tmp_path / "log").read_text()
    finally:
        server.kill()
        server.wait()


class Elsewhere:
    """A server in a process of its own."""

    def __init__(self, port):
        self.address = ("127.0.0.1", port)


def read_to_the_end(served, path, under_way):
    with socket_of(served) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert connection.recv(65_536)
        under_way.wait(20)
        while connection.recv(65_536):
            pass


def socket_of(served):
    return socket.create_connection(served.address, timeout=20)
