"""A stock worker ends a job from its parent process; a worker of ours settles those that wait."""

import os
import signal
import time

import pytest
from rq.command import send_stop_job_command

from tests.callbacks.receiver import receiving
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import Line
from tests.worker.processes import wait_until
from tests.worker.test_after import event_statuses, reason, status

SETTLED_WITHIN = 3.0 + 2.0  # seconds: a round of looks, and what a busy machine takes


INNER = {"TASK_API_CALLBACK_ALLOW_INNER": "true"}  # for the receiver is on loopback


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def line(worker_settings, redis_client):
    return Line(redis_client, worker_settings.model_copy(update={"callback_allow_inner": True}))


@pytest.fixture
def begin(start, line, redis_url, tmp_path):
    """Let a stock worker begin a job of the queue `low`; gives the job, and the worker."""

    def begin(**options):
        stock = start("-m", "rq.cli", "worker", "low", "--url", redis_url, **INNER)
        job = line.put(sample.wait_for, str(tmp_path / "never"), queue="low", **options)
        wait_until((tmp_path / "never.begun").exists)
        return job, stock

    return begin


@pytest.fixture
def end(line):
    """End the job: its horse is killed, or RQ's own command stops it."""

    def end(job, stock, how):
        if how == "failed":
            os.kill(stock.horse, signal.SIGKILL)
        else:
            send_stop_job_command(line.redis, job.id)
        wait_until(lambda: status(line, job) == how)

    return end


HOW = pytest.mark.parametrize("how", ["failed", "stopped"])


@HOW
def test_a_worker_of_ours_settles_them_within_seconds(start, line, begin, end, how, receiver):
    start("high", "default", **INNER)
    first, stock = begin()
    canceled = line.put(sample.add, 1, after=first.id, callback=receiver.url)
    after = line.put(sample.add, 1, after=canceled.id)
    run = line.put(sample.add, 1, 2, after=first.id, after_failure="run", queue="high")

    end(first, stock, how)

    begun = time.monotonic()
    wait_until(lambda: status(line, canceled) == "canceled")
    wait_until(lambda: status(line, run) == "finished")
    assert time.monotonic() - begun < SETTLED_WITHIN
    assert f"job {first.id}, which it was to run after, " in reason(line, canceled)
    assert event_statuses(line, after) == ["deferred", "canceled"]
    # After a failure RQ itself may have queued it, and tells nobody.
    told_of = [each for each in event_statuses(line, run) if how == "stopped" or each != "queued"]
    queued = ["queued"] if how == "stopped" else []
    assert told_of == ["deferred", *queued, "started", "finished"]
    [told] = receiver.wait_for(1)
    assert (told.message["type"], told.message["data"]["id"]) == ("job.canceled", canceled.id)


@HOW
def test_with_stock_workers_alone_they_wait_until_one_of_ours_comes(start, line, begin, end, how):
    first, stock = begin()
    canceled = line.put(sample.add, 1, after=first.id, queue="low")
    run = line.put(sample.add, 1, 2, after=first.id, after_failure="run", queue="low")
    end(first, stock, how)
    if how == "failed":  # then RQ queues it
        wait_until(lambda: status(line, run) == "finished")
    time.sleep(0.5)
    assert status(line, canceled) == "deferred"
    assert status(line, run) == ("deferred" if how == "stopped" else "finished")

    start("low")

    wait_until(lambda: status(line, canceled) == "canceled")
    wait_until(lambda: status(line, run) == "finished")


def test_one_that_is_stopped_at_a_stock_worker_is_told_to_its_own_callback(
    start, line, begin, end, receiver
):
    first, stock = begin(callback=receiver.url)
    start("low", **INNER)

    end(first, stock, "stopped")

    [told] = receiver.wait_for(1)
    assert told.message["type"] == "job.stopped"
    assert told.message["data"]["ended_at"] is not None
