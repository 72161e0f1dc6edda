"""A paused queue: no job of it begins, whatever flows; the others start as quickly as ever."""

import asyncio
import statistics
import time

import pytest
import redis.asyncio
from rq.worker import DequeueStrategy

from app.options import JobOptions
from app.queue.enqueue import Enqueuer
from app.queue.fleet import Fleet
from tests.worker import sample_tasks as sample
from tests.worker.processes import cpu_seconds, wait_until

COMMANDS = [(), ("-m", "rq.cli", "worker", "-w", "worker.Worker", "high", "default", "low")]


@pytest.fixture
def change(worker_settings):
    async def change(action, queues):
        async with redis.asyncio.Redis.from_url(worker_settings.redis_dsn) as client:
            for queue in queues:
                await action(Fleet(client, worker_settings), queue)

    return change


@pytest.fixture
def pause(change):
    """Pause queues, as the API does."""
    return lambda *queues: asyncio.run(change(Fleet.pause, queues))


@pytest.fixture
def resume(change):
    """Resume queues, as the API does."""
    return lambda *queues: asyncio.run(change(Fleet.resume, queues))


@pytest.fixture
def started(start, line):
    """Start workers, ours by default; gives them once they wait for jobs."""

    def started(*command, number=1):
        workers = [start(*command) for _ in range(number)]
        wait_until(lambda: len(line.workers()) == number and line.states() == {"idle"})
        time.sleep(0.2)  # until they are blocked on the queues
        return workers

    return started


@pytest.fixture
def put_many(worker_settings):
    """Enqueue so many short jobs."""

    def put_many(number, queue):
        options = JobOptions(queue=queue)
        Enqueuer(worker_settings).enqueue_many(sample.sleep, [{"seconds": 0.002}] * number, options)

    return put_many


def calls_of(connection, command):
    """Give how often Redis has run a command."""
    return connection.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0)


# In a burst, in this process.


def test_a_burst_ends_with_only_paused_jobs_left(work_ours, line, pause):
    held = [line.put(sample.add, number, queue="high") for number in range(2)]
    job = line.put(sample.add, 1, queue="low")
    pause("high")

    work_ours()

    assert line.result(job) == 2
    assert line.waiting("high") == [each.id for each in held]


@pytest.mark.parametrize("strategy", [DequeueStrategy.ROUND_ROBIN, DequeueStrategy.RANDOM])
def test_a_queue_is_passed_over_in_whichever_order_they_are_served(
    work_ours, line, pause, strategy
):
    jobs = {
        queue: [line.put(sample.add, number, queue=queue) for number in range(3)]
        for queue in ("high", "default", "low")
    }
    pause("default")

    work_ours(dequeue_strategy=strategy)

    assert line.waiting("default") == [job.id for job in jobs["default"]]
    assert [line.result(job) for job in jobs["high"] + jobs["low"]] == [1, 2, 3] * 2


def test_a_worker_with_only_paused_jobs_is_idle(work_ours, line, pause):
    line.put(sample.add, 1)
    pause("default")
    begun = time.monotonic()

    work_ours(burst=False, max_idle_time=1)

    assert 1 <= time.monotonic() - begun < 30
    assert len(line.waiting()) == 1


def test_rqs_own_worker_heeds_no_pause(work_stock, line, pause):
    job = line.put(sample.add, 1)
    pause("default")

    work_stock()

    assert line.result(job) == 2


def test_what_fails_or_follows_waits_in_the_paused_queue(work_ours, line, pause, resume):
    parent = line.put(sample.add, 1, queue="high")
    child = line.put(sample.add, 2, after=(parent.id,))
    retried = line.put(sample.later, 60.0, queue="low", retries=1)
    pause("default")
    work_ours(queues=["high"])

    assert line.result(parent) == 2
    assert (line.again(child).get_status(), line.waiting()) == ("queued", [child.id])
    work_ours(queues=["low"])
    assert line.again(retried).is_scheduled
    pause("low")
    line.make_due(retried)
    work_ours()

    assert line.waiting("low") == [retried.id]
    resume("default", "low")
    work_ours()
    assert (line.result(child), line.result(retried)) == (3, 2)


def test_a_job_of_a_paused_queue_still_expires(work_ours, line, pause):
    job = line.put(sample.add, 1, expires=1)
    pause("default")
    wait_until(lambda: time.time() > job.created_at.timestamp() + 1.1)

    work_ours(burst=False, max_idle_time=2)

    assert line.again(job).get_status() == "canceled"
    assert line.waiting() == []


# As processes.


@pytest.mark.parametrize("command", COMMANDS)
def test_a_paused_queue_waits_the_others_start_at_once_and_a_resumed_one_soon(
    started, line, pause, resume, command
):
    started(*command)
    pause("default")
    held = [line.put(sample.add, number) for number in range(2)]
    taken = []
    for number in range(20):
        job = line.call(sample.now, queue=("high", "low")[number % 2])
        pushed = time.time()
        wait_until(lambda job=job: line.again(job).is_finished)
        taken.append(line.result(job) - pushed)
        time.sleep(0.03)

    assert statistics.median(taken) < 0.5  # a millisecond, on a machine that is not busy
    assert line.waiting() == [job.id for job in held]
    resume("default")
    wait_until(lambda: all(line.again(job).is_finished for job in held))


def test_a_job_that_has_begun_runs_on_in_a_paused_queue(started, line, pause, tmp_path):
    started()
    sign = tmp_path / "sign"
    job, after = line.put(sample.wait_for, str(sign)), line.put(sample.add, 1)
    wait_until((tmp_path / "sign.begun").exists)

    pause("default")
    time.sleep(0.3)
    sign.touch()

    wait_until(lambda: line.again(job).is_finished)
    time.sleep(0.3)
    assert line.waiting() == [after.id]


def test_a_worker_that_waits_beside_a_paused_queue_uses_next_to_nothing(started, line, pause):
    (worker,) = started()
    pause("high", "low")
    for queue in ("high", "low"):
        for number in range(3):
            line.put(sample.add, number, queue=queue)
    time.sleep(1.0)
    processes = [worker.pid, worker.horse]
    used, begun = sum(map(cpu_seconds, processes)), time.monotonic()
    calls = {command: calls_of(line.redis, command) for command in ("evalsha", "blmove")}

    time.sleep(3)

    seconds = time.monotonic() - begun
    used = sum(map(cpu_seconds, processes)) - used
    assert used / seconds < 0.02, f"{used:.2f} s of a processor"
    assert calls_of(line.redis, "blmove") == calls["blmove"]
    # Two looks a second, beside the supervisor's own.
    assert calls_of(line.redis, "evalsha") - calls["evalsha"] <= 5 * seconds
    assert len(line.waiting("high")) == 3


def started_since(connection, mark):
    """Name the queues of the jobs that were started after an event."""
    return [
        event[b"queue"].decode()
        for _, event in connection.xrange("task-api:events", min=b"(" + mark)
        if event[b"status"] == b"started"
    ]


def claims_ahead(connection, worker):
    current, claimed = connection.hmget(f"rq:worker:{worker}", "current_job", "claimed")
    return claimed is not None and claimed != current


def test_once_a_queue_is_paused_no_job_of_it_starts_however_fast_they_come(
    start, line, put_many, pause, resume
):
    put_many(1000, "default")
    put_many(4000, "low")  # so that the workers are at work throughout
    pause("default")
    for _ in range(2):
        start()
    wait_until(lambda: any(claims_ahead(line.redis, each) for each in line.workers()))
    workers = wait_until(lambda: len(line.workers()) == 2 and line.workers())
    seen_ahead, left = False, [1000]
    for _ in range(5):
        resume("default")
        until = time.monotonic() + 0.25
        while time.monotonic() < until:
            seen_ahead |= any(claims_ahead(line.redis, worker) for worker in workers)
        pause("default")
        [(mark, _)] = line.redis.xrevrange("task-api:events", count=1)
        left.append(line.redis.llen("rq:queue:default"))
        time.sleep(0.2)

        begun = started_since(line.redis, mark)
        assert "low" in begun
        assert "default" not in begun
        # What was claimed before has run, or is back in the queue.
        assert line.redis.zcard("rq:wip:default") == 0

    assert seen_ahead
    assert left == sorted(set(left), reverse=True), "no job ran between two pauses"
    resume("default")
    wait_until(lambda: line.redis.zcard("rq:finished:default") == 1000)
