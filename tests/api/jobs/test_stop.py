"""Stopping a job; that it ends a real worker's process stands in the acceptance tests."""

import json
import threading

import pytest
import redis
import rq

from tests.api.jobs.sample_tasks import add
from tests.api.jobs.steps import enqueue, set_status


@pytest.mark.parametrize(
    "status", ["queued", "scheduled", "deferred", "finished", "failed", "stopped", "canceled"]
)
def test_a_job_that_does_not_run_cannot_be_stopped(api, redis_client, expect_problem, status):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, status)

    problem = expect_problem(api.post(f"/jobs/{job['id']}/stop"), 409, "wrong-status")

    assert f"is {status}" in problem["detail"]


def test_a_running_job_whose_worker_does_not_listen_cannot_be_stopped(
    api, redis_client, expect_problem
):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, "started")

    problem = expect_problem(api.post(f"/jobs/{job['id']}/stop"), 409, "worker-unreachable")

    assert "'worker-1'" in problem["detail"]


def test_a_stop_is_told_to_the_worker_and_answered_once_it_is_done(api, redis_client, redis_url):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, "started")
    heard = []
    client = redis.Redis.from_url(redis_url)
    channel = client.pubsub()
    channel.subscribe(rq.command.PUBSUB_CHANNEL_TEMPLATE % "worker-1")

    def obey():
        for message in iter(lambda: channel.get_message(timeout=5), None):
            if message["type"] == "message":
                heard.append(json.loads(message["data"]))
                set_status(client, job, "stopped")
                return

    worker = threading.Thread(target=obey)
    worker.start()
    answer = api.post(f"/jobs/{job['id']}/stop")
    worker.join()
    channel.close()
    client.close()

    assert (answer.status_code, answer.json()["status"]) == (200, "stopped")
    assert heard == [{"command": "stop-job", "job_id": job["id"]}]
