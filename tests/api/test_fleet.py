"""Queues and workers over HTTP, on a real Redis."""

import os
import socket
import time
from datetime import UTC, datetime

import pytest
import rq
from rq.job import Job as RQJob
from rq.suspension import resume, suspend

from app.queue import keys

MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}
STATUSES = ["queued", "started", "finished", "failed", "scheduled", "deferred", "canceled"]


@pytest.fixture
def make_worker(redis_client):
    """Register a worker as it does itself at start."""

    def make(*queues, name=None):
        worker = rq.SimpleWorker(queues, name=name, connection=redis_client)
        worker.register_birth()
        return worker

    return make


def post(api, queue="high", query=""):
    answer = api.post(f"/tasks/send_email?queue={queue}{query}", json=MAIL)
    assert answer.status_code == 202
    return answer.json()


# Queues.


def test_queues_are_listed_in_order_of_priority(real_api):
    queues = real_api.get("/queues").json()

    assert [(queue["name"], queue["priority"]) for queue in queues] == [
        *(("high", 0), ("default", 1), ("low", 2))
    ]


def test_an_empty_queue_counts_nothing(real_api):
    assert real_api.get("/queues/low").json() == {
        "name": "low",
        "priority": 2,
        "counts": dict.fromkeys(STATUSES, 0),
        "oldest_age": None,
        "paused": False,
        "workers": 0,
    }


def test_jobs_are_counted_by_queue_and_status(real_api, redis_client):
    for _ in range(3):
        post(real_api, "low")
    post(real_api, "low", "&delay=60")
    post(real_api, "default")
    queue = rq.Queue("low", connection=redis_client)
    for n, registry in enumerate(
        [
            queue.started_job_registry,
            queue.finished_job_registry,
            queue.failed_job_registry,
            queue.deferred_job_registry,
            queue.canceled_job_registry,
        ]
    ):
        redis_client.zadd(registry.key, {f"job-{i}": time.time() + 60 for i in range(n + 2)})

    counts = real_api.get("/queues/low").json()["counts"]

    assert counts == {
        "queued": 3,
        "scheduled": 1,
        "started": 2,
        "finished": 3,
        "failed": 4,
        "deferred": 5,
        "canceled": 6,
    }
    others = [queue for queue in real_api.get("/queues").json() if queue["name"] != "low"]
    assert [queue["counts"]["queued"] for queue in others] == [0, 1]
    assert sum(sum(queue["counts"].values()) for queue in others) == 1


def test_the_age_of_a_queue_is_that_of_its_first_job(real_api, redis_client):
    first = RQJob.fetch(post(real_api)["id"], redis_client)
    post(real_api)
    first.enqueued_at = datetime.fromtimestamp(time.time() - 100, UTC)
    first.save()

    assert 100 <= real_api.get("/queues/high").json()["oldest_age"] < 105


def test_a_first_job_that_has_been_deleted_has_no_age(real_api, redis_client):
    redis_client.delete(f"rq:job:{post(real_api)['id']}")

    queue = real_api.get("/queues/high").json()

    assert (queue["counts"]["queued"], queue["oldest_age"]) == (1, None)


def test_queues_suspended_by_rq_are_paused(real_api, redis_client):
    suspend(redis_client)
    assert real_api.get("/queues/high").json()["paused"] is True

    resume(redis_client)
    assert real_api.get("/queues/high").json()["paused"] is False


def test_a_queue_is_paused_and_resumed_as_often_as_one_likes(real_api):
    for _ in range(2):
        paused = real_api.post("/queues/high/pause")
        assert (paused.status_code, paused.json()["paused"]) == (200, True)
        assert paused.json() == real_api.get("/queues/high").json()
    assert [queue["paused"] for queue in real_api.get("/queues").json()] == [True, False, False]

    for _ in range(2):
        resumed = real_api.post("/queues/high/resume")
        assert (resumed.status_code, resumed.json()["paused"]) == (200, False)
    assert not any(queue["paused"] for queue in real_api.get("/queues").json())


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_a_queue_that_is_none_can_neither_be_paused_nor_resumed(
    real_api, expect_problem, redis_client, action
):
    problem = expect_problem(real_api.post(f"/queues/hihg/{action}"), 404, "unknown-queue")

    assert "'hihg'" in problem["detail"]
    assert not redis_client.exists(keys.PAUSED)


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_another_site_can_neither_pause_nor_resume_a_queue(real_api, expect_problem, action):
    answer = real_api.post(f"/queues/high/{action}", headers={"Sec-Fetch-Site": "cross-site"})

    expect_problem(answer, 403, "cross-site-request")
    assert real_api.get("/queues/high").json()["paused"] is False


def test_a_resumed_queue_stays_paused_while_rq_is_suspended(real_api, redis_client):
    suspend(redis_client)
    real_api.post("/queues/high/pause")

    assert real_api.post("/queues/high/resume").json()["paused"] is True

    resume(redis_client)
    assert real_api.get("/queues/high").json()["paused"] is False


def test_a_paused_queue_takes_jobs_and_readiness_is_as_before(real_api, make_worker):
    make_worker("high", "default", "low")
    real_api.post("/queues/high/pause")

    assert post(real_api)["status"] == "queued"

    queue = real_api.get("/queues/high").json()
    assert (queue["counts"]["queued"], queue["workers"]) == (1, 1)
    assert real_api.get("/health/ready").json()["ready"] is True


def test_a_queue_counts_the_workers_that_serve_it(real_api, make_worker):
    make_worker("high", "default")
    make_worker("default")

    queues = real_api.get("/queues").json()

    assert {queue["name"]: queue["workers"] for queue in queues} == {
        "high": 1,
        "default": 2,
        "low": 0,
    }


def test_the_settings_name_the_queues(make_client, expect_problem):
    api = make_client(queues=("fast", "high", "default", "low"))

    assert api.get("/queues").json()[0]["name"] == "fast"
    problem = expect_problem(api.get("/queues/slow"), 404, "unknown-queue")
    assert "fast, high, default, low" in problem["detail"]


# Workers.


def test_without_a_worker_none_is_listed(real_api):
    assert real_api.get("/workers").json() == []


def test_a_worker_is_listed_with_what_it_does(real_api, make_worker, redis_client):
    before = datetime.now(UTC).replace(microsecond=0)
    worker = make_worker("high", "low", name="ada-1")
    worker.set_state("busy")
    worker.set_current_job_id("job-7")
    redis_client.hset(
        worker.key,
        mapping={"successful_job_count": 5, "failed_job_count": 2, "total_working_time": 1.5},
    )

    [listed] = real_api.get("/workers").json()

    moments = [datetime.fromisoformat(listed.pop(key)) for key in ("born_at", "last_heartbeat")]
    assert all(moment >= before for moment in moments)
    assert listed == {
        "name": "ada-1",
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "state": "busy",
        "queues": ["high", "low"],
        "current_job": "job-7",
        "successful_jobs": 5,
        "failed_jobs": 2,
        "working_seconds": 1.5,
        "version": rq.__version__,
    }


def test_workers_are_listed_by_name(real_api, make_worker):
    for name in ("cleo", "ada", "bob"):
        make_worker("high", name=name)

    assert [worker["name"] for worker in real_api.get("/workers").json()] == ["ada", "bob", "cleo"]


def test_a_worker_that_has_ended_is_not_listed(real_api, make_worker):
    make_worker("high", name="ada")
    make_worker("high", name="bob").register_death()

    assert [worker["name"] for worker in real_api.get("/workers").json()] == ["ada"]


def test_a_worker_whose_heartbeat_expired_is_not_listed(real_api, make_worker, redis_client):
    worker = make_worker("high")

    redis_client.delete(worker.key)  # as its expiry does

    assert redis_client.scard("rq:workers") == 1
    assert real_api.get("/workers").json() == []
