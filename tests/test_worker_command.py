"""`python worker.py`, as a real process."""

# ruff: noqa: F811 - the fixtures are those of the workers' tests

import signal

import pytest
import redis

from app.local.embedded import EmbeddedRedis
from app.local.ports import any_free
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import line, start, worker_settings  # noqa: F401
from tests.worker.processes import SOON, children, wait_until


def test_it_runs_jobs_and_ends_when_it_is_told_to(start, line):
    job = line.put(sample.add, 1)
    worker = start()
    wait_until(lambda: line.again(job).is_finished)

    assert worker.end() < SOON

    assert worker.wait() == 0
    assert "worker.ended" in worker.log
    assert "Traceback" not in worker.log
    assert line.redis.smembers("rq:workers") == set()


def test_it_warns_at_its_start_of_a_setting_that_is_misspelt(start):
    worker = start("--burst", TASK_API_QUEUE="fast", TASK_API_QUEUES="high,default,low")

    assert worker.wait() == 0
    assert worker.log.count("setting.unknown name=TASK_API_QUEUE nearest=TASK_API_QUEUES") == 1
    assert worker.log.count("setting.unknown") == 1


def test_its_log_has_one_line_for_each_job(start, line):
    jobs = [line.put(sample.add, number) for number in range(3)]
    retried = line.call(sample.add, kwargs={"left": 1}, result_ttl=-1)

    worker = start("--burst")

    assert worker.wait() == 0
    for job in (*jobs, retried):
        assert worker.log.count(job.id) == 1


def test_what_tasks_print_is_not_lost(start, line):
    line.put(sample.say, "hello")

    worker = start("--burst", PYTHONUNBUFFERED="")

    assert worker.wait() == 0
    assert worker.log.count("hello\n") == 1


def test_in_a_burst_it_ends_once_the_queues_are_empty(start, line):
    jobs = [line.put(sample.add, number, queue=queue) for number in range(3) for queue in QUEUES]

    assert start("--burst").wait() == 0

    assert [line.result(job) for job in jobs] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_it_serves_the_queues_that_it_is_given(start, line):
    high, low = line.put(sample.add, 1, queue="high"), line.put(sample.add, 1, queue="low")

    assert start("low", "--burst").wait() == 0

    assert line.result(low) == 2
    assert line.again(high).is_queued


def test_with_a_number_it_is_a_pool(start, line):
    pool = start("-n", 2)
    wait_until(lambda: line.redis.scard("rq:workers") == 2)
    job = line.put(sample.add, 1)
    wait_until(lambda: line.again(job).is_finished)
    workers = children(pool.pid)

    pool.send(signal.SIGTERM)

    assert pool.wait() == 0
    assert len(workers) == 2
    assert line.redis.smembers("rq:workers") == set()


def test_a_pool_in_a_burst_ends_too(start, line):
    jobs = [line.put(sample.add, number) for number in range(10)]

    assert start("-n", 2, "--burst").wait() == 0

    assert [line.result(job) for job in jobs] == list(range(1, 11))


def test_a_queue_that_there_is_not_is_an_error(start):
    worker = start("middle")

    assert worker.wait() == 2
    assert "no such queue: middle" in worker.log


def test_a_task_module_that_will_not_do_is_an_error_that_names_it(start):
    worker = start(TASK_API_TASK_MODULES="no_such_module")

    assert worker.wait() == 1
    assert worker.log.startswith("worker.py: ")
    assert "no_such_module" in worker.log
    assert "Traceback" not in worker.log


def test_a_name_that_another_worker_has_is_an_error(start, line):
    first = start("-m", "rq.cli", "worker", "-w", "worker.Worker", "--name", "one", "default")
    wait_until(lambda: line.redis.exists("rq:worker:one"))

    second = start("-m", "rq.cli", "worker", "-w", "worker.Worker", "--name", "one", "default")

    assert second.wait() == 1
    assert "There exists an active worker named 'one' already" in second.log
    assert line.redis.hget("rq:worker:one", "pid") == str(first.pid).encode()


def test_without_redis_it_waits_and_begins_when_redis_is_there(start, tmp_path):
    port = any_free("127.0.0.1")
    worker = start(redis_url=f"redis://127.0.0.1:{port}/0")
    worker.says("worker.waiting_for_redis")

    with (
        EmbeddedRedis(tmp_path / "late", port) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        wait_until(lambda: client.scard("rq:workers") == 1)
        wait_until(lambda: client.hget(client.smembers("rq:workers").pop(), "state") == b"idle")
        assert worker.end() < SOON


def test_told_to_end_without_redis_it_ends_at_once(start):
    worker = start(redis_url=f"redis://127.0.0.1:{any_free('127.0.0.1')}/0")
    worker.says("worker.waiting_for_redis")

    assert worker.end() < SOON
    assert worker.wait() == 0


QUEUES = ("high", "default", "low")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_it_says_how_it_is_used(start, option):
    worker = start(option)

    assert worker.wait() == 0
    assert "usage: worker.py" in worker.log
