"""A Redis that goes away, hangs, is emptied, or holds what it should not."""

import os
import signal
import time

import pytest
from rq import Callback, Retry

from tests.worker import sample_tasks as sample
from tests.worker.processes import SOON, alive, wait_until


def test_a_worker_goes_on_once_redis_is_back(start, own_redis, own_line):
    worker = start(redis_url=own_redis.url)
    job = own_line.put(sample.add, 1)
    wait_until(lambda: own_line.again(job).is_finished)
    for _ in range(2):
        own_redis.stop()
        time.sleep(2)
        own_redis.start()
        job = own_line.put(sample.add, 1)
        wait_until(lambda job=job: own_line.again(job).is_finished)

    wait_until(own_line.workers)
    [name] = own_line.workers()
    wait_until(lambda: own_line.redis.publish(f"rq:pubsub:{name}", "{}"))
    assert worker.log.count("horse.waiting_for_redis") <= 2
    assert worker.log.count("worker.waiting_for_redis") <= 2
    assert worker.end() < SOON


@pytest.mark.parametrize("task", [sample.wait_for, sample.wait_for_and_fail])
@pytest.mark.parametrize("unusual", [False, True])
def test_a_job_that_ran_while_redis_was_away_is_recorded_once_and_not_run_twice(
    start, own_redis, own_line, sign, task, unusual
):
    worker = start(redis_url=own_redis.url)
    options = {"on_success": Callback(sample.say_success)} if unusual else {}
    job = own_line.call(task, kwargs={"path": sign.path}, **options)
    wait_until(lambda: sign.begun)

    own_redis.stop()
    sign.give()
    time.sleep(1.5)
    own_redis.start()

    wait_until(lambda: own_line.has_ended(job))
    time.sleep(0.3)
    if task is sample.wait_for:
        assert own_line.result(job) == "seen"
    else:
        assert "ValueError: seen" in own_line.error(job)
    assert sign.begun == 1
    assert len(own_line.kinds(job)) == 1
    assert not worker.ended


def test_a_long_job_outlives_an_outage(start, own_redis, own_line, sign):
    options = {"redis_url": own_redis.url, "TASK_API_TAKEOVER_AFTER": "5"}
    start(**options)
    start(**options)
    job = own_line.put(sample.wait_for, sign.path)
    wait_until(lambda: sign.begun)

    own_redis.stop()
    time.sleep(5)  # longer than an execution lives that nobody renews
    own_redis.start()
    time.sleep(4)

    assert sign.begun == 1
    sign.give()
    wait_until(lambda: own_line.again(job).is_finished)


def test_nobody_is_taken_for_dead_where_redis_takes_no_writes(start, own_redis, own_line, sign):
    workers = [start(redis_url=own_redis.url, TASK_API_TAKEOVER_AFTER="5") for _ in range(3)]
    jobs = [own_line.put(sample.wait_for, sign.path) for _ in workers]
    wait_until(lambda: sign.begun == 3)
    time.sleep(4)  # longer than they leave alone what has expired, after their start

    own_line.redis.config_set("maxmemory", 1)
    time.sleep(5)
    own_line.redis.config_set("maxmemory", 0)
    time.sleep(2)

    sign.give()
    for job in jobs:
        wait_until(lambda job=job: own_line.again(job).is_finished)
    assert sign.begun == 3


def test_told_to_end_while_redis_is_away_it_ends(start, own_redis, own_line):
    worker = start(redis_url=own_redis.url)
    wait_until(lambda: "idle" in own_line.states())

    own_redis.stop()
    time.sleep(0.3)

    assert worker.end() < SOON
    assert worker.wait() == 0


def test_told_to_end_with_a_result_it_waits_for_redis_as_long_as_it_may(
    start, own_redis, own_line, sign
):
    worker = start(redis_url=own_redis.url, TASK_API_SHUTDOWN_GRACE="5")
    job = own_line.put(sample.wait_for, sign.path)
    wait_until(lambda: sign.begun)
    own_redis.stop()
    worker.send(signal.SIGTERM)
    sign.give()
    time.sleep(1)
    assert not worker.ended

    own_redis.start()

    assert worker.wait() == 0
    assert own_line.result(job) == "seen"


def test_told_to_end_with_a_job_while_redis_stays_away_it_ends_all_the_same(
    start, own_redis, own_line, sign
):
    worker = start(redis_url=own_redis.url, TASK_API_SHUTDOWN_GRACE="1")
    job = own_line.call(sample.wait_for, kwargs={"path": sign.path}, retry=Retry(1, 0))
    wait_until(lambda: sign.begun)
    horse = worker.horse
    own_redis.stop()

    assert worker.end() < SOON

    assert not alive(horse)
    own_redis.start()
    sign.give()
    start(redis_url=own_redis.url, TASK_API_TAKEOVER_AFTER="5")
    wait_until(lambda: own_line.again(job).is_finished)


@pytest.mark.parametrize("unusual", [False, True])
def test_a_redis_that_hangs_is_waited_for_like_one_that_is_gone(
    start, own_redis, own_line, sign, unusual
):
    worker = start(redis_url=own_redis.url)
    options = {"on_success": Callback(sample.say_success)} if unusual else {}
    job = own_line.call(sample.wait_for, kwargs={"path": sign.path}, **options)
    wait_until(lambda: sign.begun)
    os.kill(own_redis.pid, signal.SIGSTOP)
    sign.give()
    worker.says("worker.waiting_for_redis")

    os.kill(own_redis.pid, signal.SIGCONT)

    wait_until(lambda: own_line.has_ended(job))
    assert own_line.result(job) == "seen"
    assert sign.begun == 1
    after = own_line.put(sample.add, 1)
    wait_until(lambda: own_line.again(after).is_finished)


def test_keys_of_another_type_hold_up_nothing_but_themselves(start, line):
    line.redis.set("rq:scheduled:low", "text")
    line.redis.set("rq:wip:low", "text")
    worker = start(TASK_API_TAKEOVER_AFTER="5")
    worker.says("worker.refused_by_redis")

    job = line.put(sample.add, 1)
    wait_until(lambda: line.again(job).is_finished)
    line.redis.delete("rq:scheduled:low", "rq:wip:low")
    later = line.put(sample.add, 1, queue="low", delay=1)

    wait_until(lambda: line.again(later).is_finished)
    assert "waiting_for_redis" not in worker.log
    assert worker.end() < SOON


def test_a_worker_whose_redis_was_emptied_is_listed_again(start, line):
    start()
    wait_until(line.workers)

    line.redis.flushall()

    wait_until(line.workers)
    [name] = line.workers()
    assert line.redis.hget(f"rq:worker:{name}", "birth")
    job = line.put(sample.add, 1)
    wait_until(lambda: line.again(job).is_finished)
