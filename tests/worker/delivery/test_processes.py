"""Callbacks of workers as processes: of a job that is stopped, and by a worker that is killed."""

import signal
import time

import pytest

from tests.worker import sample_tasks as sample
from tests.worker.delivery.conftest import callbacks_of
from tests.worker.processes import wait_until


def running(line, job):
    wait_until(lambda: line.again(job).get_status() == "started")
    time.sleep(0.2)  # a stock worker listens a moment after it has begun


@pytest.mark.parametrize("command", [(), ("-m", "rq.cli", "worker", "--quiet", "default")])
def test_a_stopped_job_is_told(told, receiver, start, ask, redis_url, tmp_path, command):
    arguments = (*command, "--url", redis_url) if command else ()
    start(*arguments, TASK_API_CALLBACK_ALLOW_INNER="true")
    job = told.put(sample.sleep, 30, callback=receiver.url)
    running(told, job)

    stopped = ask(lambda api: api.control.stop(job.id, "request nightly-42"))
    assert stopped.status == "stopped"

    [got] = receiver.wait_for(1)
    assert got.message["type"] == "job.stopped"
    assert got.message["data"]["error"]["type"] == "JobStopped"
    assert got.message["data"]["error"]["message"] == stopped.error.message
    assert stopped.error.message.endswith(" (request nightly-42)")


def test_a_delivery_whose_worker_is_killed_is_made_again_with_the_same_id(
    told, receiver, start, ask
):
    def hang(handler):
        time.sleep(5)

    receiver.replies = [hang, 204]
    job = told.put(sample.add, 1, callback=receiver.url)
    first = start(TASK_API_CALLBACK_ALLOW_INNER="true", TASK_API_TAKEOVER_AFTER="5")
    receiver.wait_for(1)
    first.send_group(signal.SIGKILL)
    start(TASK_API_CALLBACK_ALLOW_INNER="true", TASK_API_TAKEOVER_AFTER="5")

    lost, again = receiver.wait_for(2, seconds=40)

    assert lost.headers["webhook-id"] == again.headers["webhook-id"]
    assert lost.body == again.body
    wait_until(lambda: callbacks_of(told, job)[0].get_status() == "finished")
    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert [(each.status, each.seconds is None) for each in shown.tries] == [
        (None, True),
        (204, False),
    ]
