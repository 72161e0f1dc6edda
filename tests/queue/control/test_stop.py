"""Stopping a job that runs, by a word to its worker."""

import threading

import pytest
import redis as client

from app.errors import WorkerUnreachable, WrongStatus
from app.queue import control as control_module
from tests.queue.control.conftest import everything, set_status


@pytest.mark.parametrize(
    "words", [1, 3], ids=["that it obeys", "that it obeys once it has begun it"]
)
def test_a_running_job_is_stopped_by_a_word_to_its_worker(
    ask, started, redis_client, redis_url, monkeypatch, words
):
    monkeypatch.setattr(control_module, "STOP_AGAIN", 0.05)
    heard = []

    def worker():
        with client.Redis.from_url(redis_url) as own, own.pubsub() as channel:
            channel.subscribe("rq:pubsub:a-worker")
            for message in channel.listen():
                if message["type"] == "subscribe":
                    listening.set()
                else:
                    heard.append(message["data"])
                if len(heard) == words:
                    set_status(started, own, "stopped")
                    return

    listening = threading.Event()
    thread = threading.Thread(target=worker)
    thread.start()
    listening.wait(5)

    stopped = ask(lambda service: service.control.stop(started.id))

    thread.join(5)
    assert stopped.status == "stopped"
    assert heard == [b'{"command": "stop-job", "job_id": "%s"}' % started.id.encode()] * words


def test_a_stop_that_takes_long_is_answered_with_the_job_as_it_stands(
    ask, started, redis_client, monkeypatch
):
    monkeypatch.setattr(control_module, "STOP_IS_SLOW", 0.1)
    with redis_client.pubsub() as channel:
        channel.subscribe("rq:pubsub:a-worker")
        channel.get_message(timeout=1)

        assert ask(lambda service: service.control.stop(started.id)).status == "started"


def test_a_worker_that_does_not_listen_is_told(do, started):
    with pytest.raises(WorkerUnreachable, match="'a-worker'"):
        do("stop", started.id)


@pytest.mark.parametrize(
    "status", ["queued", "scheduled", "deferred", "finished", "failed", "stopped", "canceled"]
)
def test_a_job_that_does_not_run_is_not_stopped(do, started, redis_client, status):
    set_status(started, redis_client, status)
    before = everything(redis_client)

    with pytest.raises(
        WrongStatus, match=f"is {status}, so it cannot be stopped; that needs one of: started"
    ):
        do("stop", started.id)

    assert everything(redis_client) == before
