"""POST /signup: a real server, a real queue, a real worker."""

import json
import time
from mailbox import Maildir
from pathlib import Path
from typing import Any

import pytest
import redis
from fastapi.testclient import TestClient

from app.queue import keys

from .conftest import Start
from .processes import Process, Server

SIGNUPS = Path(".data/examples/signups.jsonl")


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_mail_goes_out_though_the_server_that_promised_it_has_crashed(
    start: Start, tmp_path: Path
) -> None:
    server = start(Server, "-m", "examples")
    answer = server.post("/signup", json={"email": "ada@example.com"})
    assert (answer.status_code, answer.json()["email"]) == (202, "ada@example.com")

    server.kill()

    assert start(Process, "-m", "worker", "--burst").wait() == 0
    [mail] = Maildir(tmp_path / ".data/outbox")
    assert (mail["To"], mail["Subject"]) == ("ada@example.com", "Please confirm your signup")
    assert f"<job.{answer.json()['job_id']}@" in mail["Message-ID"]


def test_a_signup_is_recorded_behind_the_response_without_the_address(
    start: Start, tmp_path: Path, redis_client: redis.Redis
) -> None:
    server = start(Server, "-m", "examples")
    jobs = [
        server.post("/signup", json={"email": f"{name}@example.com"}).json()["job_id"]
        for name in ("ada", "bob")
    ]

    server.terminate()
    server.wait()

    signups = records(tmp_path / SIGNUPS)
    assert [(each["activity"], each["job_id"]) for each in signups] == [
        ("signup", job) for job in jobs
    ]
    responses = records(tmp_path / "activity.jsonl")
    assert [(each["route"], each["status"], each["job_id"]) for each in responses] == [
        ("/signup", 202, job) for job in jobs
    ]
    assert "@" not in str(signups) + str(responses)
    assert redis_client.llen(keys.queue("high")) == 2


def test_without_redis_nothing_is_promised(redis_away: None, client: TestClient) -> None:
    begun = time.monotonic()
    answer = client.post("/signup", json={"email": "ada@example.com"})

    assert time.monotonic() - begun < 10
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/redis-unavailable"
    assert int(answer.headers["retry-after"]) >= 1
    assert not SIGNUPS.exists()


@pytest.mark.parametrize(
    "body",
    [
        b'{"email": "nobody"}',
        b'{"email": "ada@example.com", "admin": true}',
        b'{"email": "ada@example.com\\r\\nBcc: eve@example.com"}',
        b'{"email": "\\ud800@example.com"}',
        b'{"email": NaN}',
        b"{}",
        b"[]",
        b"{",
    ],
)
def test_a_signup_that_does_not_fit_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/signup", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
    assert not SIGNUPS.exists()
