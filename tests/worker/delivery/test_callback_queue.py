"""Callbacks in a queue of their own, `TASK_API_CALLBACK_QUEUE`."""

import pytest

from app.queue import keys
from app.queue.dashboard.buttons import Buttons
from tests.worker import sample_tasks as sample
from tests.worker.delivery.conftest import callbacks_of
from tests.worker.fixtures import Line

JOBS, CALLBACKS = ["high", "default", "low"], ["callbacks"]


@pytest.fixture
def apart(worker_settings, told, redis_client):
    """The queues of a service whose callbacks have one of their own."""
    changes = {
        "queues": (*JOBS, *CALLBACKS),
        "callback_queue": "callbacks",
        "callback_allow_inner": True,
    }
    return Line(redis_client, worker_settings.model_copy(update=changes))


@pytest.mark.parametrize("queue", ["default", "low"])
def test_workers_of_the_jobs_queues_send_none_and_the_others_do(apart, receiver, work, queue):
    job = apart.put(sample.add, 1, queue=queue, callback=receiver.url)

    work(JOBS)

    assert apart.result(job) == 2
    assert receiver.received == []
    [callback] = callbacks_of(apart, job)
    assert apart.waiting("callbacks") == [callback.id]

    work(CALLBACKS)

    [told] = receiver.wait_for(1)
    assert told.message["data"]["id"] == job.id
    assert apart.redis.zcard("rq:deferred:callbacks") == 0


def test_a_job_that_is_retried_by_hand_tells_its_next_end_from_there_too(
    apart, receiver, work, ask
):
    job = apart.put(sample.fail, "no", callback=receiver.url)
    for again in (
        lambda: None,
        lambda: ask(lambda api: api.control.retry(job.id), callback_queue="callbacks"),
        lambda: Buttons(apart.redis, "callbacks").requeue(job.id),
    ):
        again()
        work(JOBS)

    assert receiver.received == []
    callbacks = [each.id for each in callbacks_of(apart, job)]
    assert apart.waiting("callbacks") == callbacks
    assert len(callbacks) == 3
    assert apart.redis.exists(keys.registry("deferred", "default")) == 0
