"""Processes that are killed, and a start that is killed or interrupted."""

import os
import re
import signal
import sys
import time

import pytest

from tests.acceptance.up.program import (
    END_SECONDS,
    START_SECONDS,
    post,
    processes_of,
    runs,
    wait_for_job,
)


@pytest.mark.parametrize("name", ["api", "worker-1", "redis"])
def test_a_killed_process_is_restarted_and_jobs_go_on(start, name):
    up = start().wait_until_ready()
    before = post(up, "double", number=4)
    wait_for_job(up, before)
    [pid] = up.pids(name)

    os.kill(pid, signal.SIGKILL)
    up.wait_for(rf"up +\| {name} was killed by signal 9 \(Killed\); starting it again in 0.5 s")
    up.wait_for(rf"started {name}, process", times=2)

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            job = post(up, "double", number=5)
            break
        except OSError:  # the API is on its way up, or answers 503 while Redis is
            assert time.monotonic() < deadline, up.text
            time.sleep(0.1)
    assert wait_for_job(up, job)["result"] == 10
    assert wait_for_job(up, before)["result"] == 8
    assert up.end()[0] == 0


def test_nothing_outlives_a_start_that_was_killed_and_nothing_is_lost(start):
    if sys.platform != "linux":
        pytest.skip("only Linux ends children with their parent")
    first = start().wait_until_ready()
    jobs = [post(first, "double", number=number) for number in range(20)]
    processes = processes_of(first)

    os.kill(first.process.pid, signal.SIGKILL)

    deadline = time.monotonic() + END_SECONDS
    while left := [pid for pid in processes if runs(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    second = start().wait_until_ready()
    results = [wait_for_job(second, job)["result"] for job in jobs]
    assert results == [2 * number for number in range(20)]


def test_a_signal_during_the_start_ends_it_cleanly(start):
    up = start()
    up.wait_for("started worker-2")
    processes = processes_of(up)

    code, seconds = up.end()

    assert code == 0, up.text
    assert seconds < END_SECONDS
    assert [pid for pid in processes if runs(pid)] == []


def test_processes_that_do_not_obey_are_killed_in_time(start):
    up = start().wait_until_ready()
    job = post(up, "double", number=8)
    wait_for_job(up, job)
    processes = processes_of(up)
    for pid in up.pids("worker-1") + up.pids("redis"):
        os.kill(pid, signal.SIGSTOP)

    code, seconds = up.end()

    assert code == 0, up.text
    assert seconds < END_SECONDS
    assert [pid for pid in processes if runs(pid)] == []
    for name in ("worker-1", "redis"):
        assert re.search(rf"up +\| {name} did not end within \d s; killing it", up.text)
    assert wait_for_job(start().wait_until_ready(), job)["result"] == 16
