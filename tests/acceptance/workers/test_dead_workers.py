"""A worker that dies or stands still: its horse, and the job that it was at."""

import os
import signal
import time

from rq import Retry

from tests.worker import sample_tasks as sample
from tests.worker.processes import alive, wait_until


def test_a_horse_does_not_outlive_its_supervisor(running):
    worker, _ = running()
    horse = worker.horse

    os.kill(worker.pid, signal.SIGKILL)

    wait_until(lambda: not alive(horse))


def test_a_dead_workers_job_is_run_again_by_another(start, line, sign):
    worker = start(TASK_API_TAKEOVER_AFTER="5")
    job = line.call(sample.wait_for, kwargs={"path": sign.path}, retry=Retry(1, 0))
    wait_until(lambda: sign.begun)
    start(TASK_API_TAKEOVER_AFTER="5")
    wait_until(lambda: len(line.workers()) == 2)

    worker.send(signal.SIGKILL)
    killed = time.monotonic()

    wait_until(lambda: sign.begun == 2)
    assert time.monotonic() - killed < 60  # where a sweep of RQ's comes each ten minutes
    sign.give()
    wait_until(lambda: line.again(job).is_finished)


def test_a_job_that_runs_long_is_not_taken_over(start, line, sign):
    options = {"TASK_API_TAKEOVER_AFTER": "5"}
    start(**options)
    start(**options)
    job = line.call(sample.wait_for, kwargs={"path": sign.path}, retry=Retry(1, 0))
    wait_until(lambda: sign.begun)

    time.sleep(8)

    assert sign.begun == 1
    sign.give()
    wait_until(lambda: line.again(job).is_finished)


def test_nobody_is_taken_for_dead_where_all_stood_still(start, line, sign):
    """As where their machine sleeps. Their jobs have no further attempt, and do not fail for it."""
    workers = [start(TASK_API_TAKEOVER_AFTER="5") for _ in range(2)]
    jobs = [line.put(sample.wait_for, sign.path) for _ in workers]
    wait_until(lambda: sign.begun == 2)
    time.sleep(4)  # longer than they leave alone what has expired, after their start

    for each in workers:
        each.send_group(signal.SIGSTOP)
    time.sleep(4)
    for each in workers:
        each.send_group(signal.SIGCONT)
        time.sleep(0.5)  # so that one of them is the first to look

    sign.give()
    for job in jobs:
        wait_until(lambda job=job: line.again(job).is_finished)
    assert sign.begun == 2


def test_a_worker_that_stood_still_does_not_record_what_was_taken_from_it(start, line, sign):
    options = {"TASK_API_TAKEOVER_AFTER": "5"}
    first = start(**options)
    job = line.call(sample.wait_for, kwargs={"path": sign.path}, retry=Retry(1, 0))
    wait_until(lambda: sign.begun)
    start(**options)
    first.send_group(signal.SIGSTOP)
    wait_until(lambda: sign.begun == 2)

    sign.give()
    wait_until(lambda: line.again(job).is_finished)
    first.send_group(signal.SIGCONT)
    first.says("job.result_discarded")

    assert len(line.kinds(job)) == 1
    assert not first.ended
