"""A worker that is told to end: by which signal, how often, and what becomes of its job."""

import signal
import time

import pytest
from rq import Retry

from tests.worker import sample_tasks as sample
from tests.worker.processes import SOON, wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_ends_at_once(start, line, number):
    worker = start()
    wait_until(lambda: "idle" in line.states())

    assert worker.end(number) < SOON
    assert worker.wait() == 0


def test_told_to_end_it_lets_its_job_end(running, line, sign):
    worker, job = running()

    worker.send(signal.SIGTERM)
    time.sleep(0.5)
    assert not worker.ended
    sign.give()

    assert worker.wait() == 0
    assert line.result(job) == "seen"


def test_told_to_end_it_takes_no_further_job(running, line, sign):
    worker, _ = running()
    after = line.put(sample.add, 1)

    worker.send(signal.SIGTERM)
    time.sleep(0.2)
    sign.give()

    assert worker.wait() == 0
    assert line.again(after).is_queued


@pytest.mark.parametrize("task", [sample.wait_for, sample.wait_alone])
def test_a_job_that_does_not_end_in_time_is_put_back_to_the_front(running, line, task):
    worker, job = running(task=task, TASK_API_SHUTDOWN_GRACE="1")
    after = line.put(sample.add, 1)

    assert 1 <= worker.end() < SOON

    assert line.waiting() == [job.id, after.id]
    assert line.again(job).is_queued
    assert line.redis.hget(f"rq:job:{job.id}", "crashes") is None
    assert line.redis.zcard("rq:wip:default") == 0


def test_a_job_that_was_put_back_has_all_its_attempts(start, line, sign):
    job = line.call(sample.wait_for, kwargs={"path": sign.path}, retry=Retry(2, 0))
    worker = start(TASK_API_SHUTDOWN_GRACE="0")
    wait_until(lambda: sign.begun)
    worker.end()

    sign.give()
    start()

    wait_until(lambda: line.again(job).is_finished)
    assert line.again(job).retries_left == 2
    assert sign.begun == 2


def test_told_twice_it_ends_at_once_and_puts_the_job_back(running, line):
    worker, job = running(TASK_API_SHUTDOWN_GRACE="60")
    worker.send(signal.SIGTERM)
    time.sleep(1.1)  # what comes sooner may be one and the same Ctrl-C, passed on

    assert worker.end() < SOON

    assert line.waiting() == [job.id]


def test_told_twice_by_mistake_it_lets_its_job_end(running, line, sign):
    worker, job = running()
    worker.send(signal.SIGINT)
    worker.send(signal.SIGINT)
    time.sleep(0.3)
    sign.give()

    assert worker.wait() == 0
    assert line.result(job) == "seen"


def test_a_signal_to_all_its_processes_is_one_to_the_worker(running, line, sign):
    worker, job = running()

    worker.send_group(signal.SIGTERM)
    time.sleep(0.3)
    assert not worker.ended
    sign.give()

    assert worker.wait() == 0
    assert line.result(job) == "seen"
