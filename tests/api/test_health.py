"""Whether the service is alive and ready, and which part is not."""

import pytest
import rq
from pydantic import SecretStr

from app.local.ports import any_free


@pytest.fixture
def serve_queues(redis_client):
    """Register a worker for these queues."""

    def register(*queues):
        rq.SimpleWorker(queues, connection=redis_client).register_birth()

    return register


def test_the_service_is_alive_whatever_redis_does(make_client):
    api = make_client(redis_url=SecretStr(f"redis://127.0.0.1:{any_free('127.0.0.1')}/0"))

    answer = api.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"ok": True, "reason": None})


def test_with_redis_and_a_worker_for_each_queue_it_is_ready(real_api, serve_queues):
    serve_queues("high", "default")
    serve_queues("low")

    answer = real_api.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "checks": {"redis": {"ok": True, "reason": None}, "workers": {"ok": True, "reason": None}},
    }


def test_without_a_worker_it_says_so_and_how_to_start_one(real_api):
    answer = real_api.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "checks": {
            "redis": {"ok": True, "reason": None},
            "workers": {
                "ok": False,
                "reason": "no worker is alive; start one with: python worker.py",
            },
        },
    }


def test_a_queue_that_no_worker_serves_is_named(real_api, serve_queues):
    serve_queues("high")

    answer = real_api.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["workers"] == {
        "ok": False,
        "reason": "no worker serves default, low",
    }


def test_without_redis_it_says_so_and_that_workers_are_unknown(make_client):
    port = any_free("127.0.0.1")
    api = make_client(redis_url=SecretStr(f"redis://127.0.0.1:{port}/0"))

    answer = api.get("/health/ready")

    assert answer.status_code == 503
    ready = answer.json()
    assert ready["ready"] is False
    assert ready["checks"]["redis"]["ok"] is False
    assert str(port) in ready["checks"]["redis"]["reason"]
    assert ready["checks"]["workers"] == {"ok": False, "reason": "unknown while Redis is away"}


def test_a_reason_never_shows_the_password(make_client):
    url = f"redis://:hunter2@127.0.0.1:{any_free('127.0.0.1')}/0"
    api = make_client(redis_url=SecretStr(url))

    answers = [api.get("/health/ready"), api.get("/queues"), api.post("/tasks/daily_report")]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert all("hunter2" not in answer.text for answer in answers)
