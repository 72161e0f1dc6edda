"""Attempts whose process died, or was ended."""

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from rq.command import send_stop_job_command

from app.queue.attempts import completed
from tests.worker import sample_tasks as sample
from tests.worker.processes import wait_until


def test_a_crashed_attempt_names_the_signal(work_ours, line, look):
    job = line.put(sample.die_at, 1, retries=1)
    line.redis.hset(f"rq:job:{job.id}", "retry_intervals", "[0]")

    work_ours()

    found = look(job)
    first, last = found.attempts
    assert (found.result, last.error) == (2, None)
    assert first.error.type == "WorkerLost"
    assert "SIGKILL" in first.error.message
    assert first.worker == "w"
    assert first.started_at <= first.ended_at <= last.started_at


def test_a_crash_under_rqs_own_worker_leaves_no_record_and_that_is_said(work_stock, line, look):
    job = line.put(sample.die_at, 1, retries=1)
    line.redis.hset(f"rq:job:{job.id}", "retry_intervals", "[0]")

    work_stock()

    found = look(job)
    assert found.result == 2
    assert [each.error and each.error.type for each in found.attempts] == ["NotRecorded", None]


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_an_attempt_that_a_stock_workers_parent_process_ended_says_where_and_when(
    start, line, look, ask, redis_url, tmp_path, how
):
    stock = start("-m", "rq.cli", "worker", "default", "--name", "stock", "--url", redis_url)
    job = line.put(sample.wait_for, str(tmp_path / "never"))
    wait_until((tmp_path / "never.begun").exists)
    before = datetime.now(UTC)
    if how == "stopped":
        send_stop_job_command(line.redis, job.id)
    else:
        os.kill(stock.horse, signal.SIGKILL)
    wait_until(lambda: look(job).status == how)

    found = look(job)

    assert (found.worker, found.attempts[0].worker) == ("stock", "stock")
    assert before - timedelta(seconds=1) < found.attempts[0].ended_at <= datetime.now(UTC)
    assert found.ended_at == found.attempts[0].ended_at
    ask(lambda _, control: control.retry(job.id))
    assert look(job).attempts[0] == found.attempts[0]


def test_what_a_hash_tells_itself_is_not_taken_from_a_result_nor_an_end_beyond_the_calendar():
    told = {b"status": b"stopped", b"worker_name": b"ours", b"ended_at": b""}
    results = [(b"9" * 18 + b"-0", {b"worker_name": b"stock"})]

    assert completed(told, results) == told
    assert completed({b"status": b"queued"}, results) == {b"status": b"queued"}


def test_an_attempt_that_was_put_back_at_the_end_of_its_worker_does_not_count(
    start, line, look, tmp_path
):
    job = line.put(sample.wait_for, str(tmp_path / "go"))
    worker = start("-n", "1", TASK_API_SHUTDOWN_GRACE="0")
    wait_until((tmp_path / "go.begun").exists)
    (running,) = look(job).attempts
    assert (running.number, running.ended_at, running.error) == (1, None, None)

    worker.end()

    found = look(job)
    assert (found.status, found.attempt, found.attempts) == ("queued", 0, [])
