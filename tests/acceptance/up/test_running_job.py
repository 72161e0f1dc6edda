"""A job that runs while everything ends."""

import os
import signal
import time

import pytest

from tests.acceptance.up.program import END_SECONDS, post, processes_of, runs, wait_for_job


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_running_job_is_put_back_at_the_end_and_runs_after_the_next_start(
    start, tmp_path, number
):
    sign, starts = tmp_path / "sign", tmp_path / "sign.starts"
    first = start().wait_until_ready()
    job = post(first, "wait_for_file", path=str(sign))
    waiting = [post(first, "double", number=each) for each in range(3)]
    wait_for_job(first, job, "started")
    processes = processes_of(first)

    os.killpg(first.process.pid, number)  # as a terminal's Ctrl-C, twice
    time.sleep(1.5)
    code, seconds = first.end(number)

    assert code == 0, first.text
    assert seconds < END_SECONDS - 1.5, first.text
    assert [pid for pid in processes if runs(pid)] == []

    second = start().wait_until_ready()
    wait_for_job(second, job, "started")
    sign.touch()
    assert wait_for_job(second, job)["result"] == "seen"
    assert starts.read_text() == "started\n" * 2
    assert [wait_for_job(second, each)["result"] for each in waiting] == [0, 2, 4]
