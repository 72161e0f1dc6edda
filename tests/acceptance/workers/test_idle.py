"""A worker with nothing to do: what it costs, and how soon it takes up a job."""

import statistics
import time

from tests.worker import sample_tasks as sample
from tests.worker.processes import alive, cpu_seconds, wait_until


def test_an_idle_worker_uses_next_to_nothing(start, line):
    worker = start()
    wait_until(lambda: "idle" in line.states())
    time.sleep(0.5)
    processes = [worker.pid, worker.horse]
    before, begun = sum(map(cpu_seconds, processes)), time.monotonic()

    time.sleep(4)

    used = sum(map(cpu_seconds, processes)) - before
    assert used / (time.monotonic() - begun) < 0.03, f"{used:.2f} s of a processor"


def test_an_idle_horse_asks_redis_nothing(start, line):
    worker = start()
    wait_until(lambda: "idle" in line.states())
    horse = worker.horse
    time.sleep(0.2)
    with line.redis.monitor() as monitor:
        time.sleep(2.5)
        line.redis.echo("that is all")
        seen = []
        while (command := monitor.next_command())["command"] != "ECHO that is all":
            seen.append(command)

    # Three seconds of a scheduler that looks once in each, and a heartbeat or two.
    asked = [each["command"].split()[0] for each in seen if each["client_type"] != "lua"]
    assert len([command for command in asked if command == "EVALSHA"]) <= 6
    assert set(asked) <= {"EVALSHA", "HELLO", "CLIENT"}
    assert alive(horse)


def test_a_job_on_any_queue_starts_at_once(start, line):
    start()
    wait_until(lambda: "idle" in line.states())
    taken = []
    for number in range(45):
        job = line.call(sample.now, queue=("high", "default", "low")[number % 3])
        pushed = time.time()
        wait_until(lambda job=job: line.again(job).is_finished)
        taken.append(line.result(job) - pushed)

    assert statistics.median(taken) < 0.5  # a millisecond, on a machine that is not busy
