"""Each attempt as the job shows it, left by RQ's worker and by ours."""

import asyncio
import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from rq import Retry
from rq.command import send_stop_job_command

from app.catalogue import load_catalogue
from app.errors import UnreadableJob
from app.options import JobOptions
from app.queue.attempts import LONGEST_TEXT, MOST_KEPT, completed
from app.queue.connection import connect_async
from app.queue.control import Control
from app.queue.dashboard.buttons import Buttons
from app.queue.lookup import Lookup
from tests.worker import sample_tasks as sample
from tests.worker.processes import wait_until


@pytest.fixture
def ask(worker_settings):
    """Ask the lookup, or the control, as the API does."""
    catalogue = load_catalogue(worker_settings)

    def ask(question):
        async def answer():
            async with connect_async(worker_settings) as client:
                lookup = Lookup(client, catalogue, worker_settings)
                return await question(lookup, Control(client, lookup, worker_settings))

        return asyncio.run(answer())

    return ask


@pytest.fixture
def look(ask):
    """Read a job as the API shows it."""
    return lambda job: ask(lambda lookup, _: lookup.job(job.id))


def told(job):
    return [
        (each.number, each.error and f"{each.error.type}: {each.error.message}")
        for each in job.attempts
    ]


def test_a_job_that_has_not_begun_has_no_attempts(line, look):
    assert look(line.put(sample.add, 1)).attempts == []


def test_a_plain_job_tells_its_one_attempt_from_its_own_record(work, line, look):
    job = line.put(sample.add, 1)

    work()

    (only,) = look(job).attempts
    assert (only.number, only.worker, only.error) == (1, "w", None)
    assert datetime.now(UTC) - timedelta(seconds=20) < only.started_at <= only.ended_at
    assert not [name for name in line.redis.hkeys(f"rq:job:{job.id}") if b"attempt" in name]


def test_each_attempt_tells_its_time_its_worker_and_its_error(work, line, look):
    job = line.put(sample.succeed_at, 3, retries=2)
    for _ in range(2):
        work(name="first", max_jobs=1)
        if look(job).status == "scheduled":
            line.make_due(job)
    work(name="second")

    found = look(job)

    assert (found.status, found.attempt, found.max_attempts, found.result) == ("finished", 3, 3, 3)
    assert told(found) == [
        (1, "ValueError: attempt 1 fails"),
        (2, "ValueError: attempt 2 fails"),
        (3, None),
    ]
    assert [each.worker for each in found.attempts] == ["first", "first", "second"]
    times = [time for each in found.attempts for time in (each.started_at, each.ended_at)]
    assert times == sorted(times)
    assert all(each.error.traceback is None for each in found.attempts[:2])


def test_a_job_that_waits_for_a_retry_shows_why_the_last_attempt_did_not_succeed(work, line, look):
    job = line.call(sample.fail, kwargs={"message": "no luck"}, retry=Retry(1, [600]))

    work()

    found = look(job)
    assert (found.status, found.error) == ("scheduled", None)
    assert told(found) == [(1, "ValueError: no luck")]


def test_the_last_attempt_of_a_failed_job_has_its_error_without_the_traceback(work, line, look):
    job = line.put(sample.fail, "m")

    work()

    found = look(job)
    assert "Traceback" in found.error.traceback
    assert told(found) == [(1, "ValueError: m")]
    assert found.attempts[0].error.traceback is None


def test_a_retry_and_what_is_kept_of_the_attempt_are_one_transaction(work, line, redis_client):
    job = line.call(sample.fail, kwargs={"message": "m"}, retry=Retry(1, [600]))
    with redis_client.monitor() as monitor:
        work()
        redis_client.echo("the end")
        commands = []
        for command in monitor.listen():
            commands.append(command["command"])
            if command["command"] == "ECHO the end":
                break

    at = next(i for i, each in enumerate(commands) if f"HSET rq:job:{job.id} attempt:1" in each)
    begun = max(i for i, each in enumerate(commands[:at]) if each == "MULTI")
    ended = at + commands[at:].index("EXEC")
    retried = [each for each in commands[begun:ended] if "status scheduled" in each]
    assert retried, commands[begun:ended]


def test_a_message_is_cut_and_can_be_shown_whatever_it_holds(work, line, look):
    job = line.put(sample.fail_at_length, 2000, retries=1)

    work()

    message = look(job).attempts[0].error.message
    assert len(message) == LONGEST_TEXT
    assert message.startswith("\\udcffxxx")
    assert message.endswith("x…")


def test_the_last_attempts_are_kept_and_no_more(work, line, look):
    retries = MOST_KEPT + 5
    job = line.call(sample.fail, kwargs={"message": "m"}, retry=Retry(retries, [0] * retries))

    work()

    found = look(job)
    assert found.attempt == retries + 1
    assert [each.number for each in found.attempts] == list(range(7, retries + 2))
    fields = [name for name in line.redis.hkeys(f"rq:job:{job.id}") if name.startswith(b"attempt:")]
    assert len(fields) == MOST_KEPT


def test_an_attempt_that_asked_for_another_by_its_result_says_so(work, line, look):
    job = line.put(sample.ask_to_retry, 2)

    work()

    found = look(job)
    said = "Retry: the task asked for another attempt by its result"
    assert told(found) == [(1, said), (2, said), (3, None)]
    assert (found.attempt, found.max_attempts) == (3, 3)


def test_a_job_that_asked_too_often_says_so(work, line, look):
    job = line.put(sample.ask_without_end)

    work()

    found = look(job)
    assert (found.status, found.attempt) == ("failed", 3)
    assert found.error.type == found.attempts[-1].error.type == "MaxRetriesExceeded"


def test_a_stopped_attempt_says_by_whom_also_after_a_retry_by_hand(
    start, line, look, ask, tmp_path
):
    job = line.put(sample.wait_for, str(tmp_path / "never"))
    start()
    wait_until((tmp_path / "never.begun").exists, 20)

    ask(lambda _, control: control.stop(job.id, "request 8f0c"))

    said = "JobStopped: a caller had the job stopped while it ran (request 8f0c)"
    wait_until(lambda: look(job).status == "stopped", 20)
    found = look(job)
    assert told(found) == [(1, said)]
    assert f"{found.error.type}: {found.error.message}" == said
    (tmp_path / "never").touch()
    ask(lambda _, control: control.retry(job.id))
    wait_until(lambda: look(job).status == "finished", 20)
    assert told(look(job)) == [(1, said), (2, None)]


# A retry by hand.


@pytest.mark.parametrize("by", ["the API", "the dashboard"])
def test_the_numbers_go_on_over_a_retry_by_hand(work, line, look, ask, by):
    job = line.call(sample.fail, kwargs={"message": "m"}, retry=Retry(1))
    work()
    begun = look(job).started_at
    if by == "the API":
        ask(lambda _, control: control.retry(job.id))
    else:
        Buttons(line.redis).requeue(job.id)
    assert told(look(job)) == [(1, "ValueError: m"), (2, "ValueError: m")]
    assert look(job).attempts[1].started_at == begun

    work()

    found = look(job)
    assert told(found) == [(number, "ValueError: m") for number in (1, 2, 3, 4)]
    assert (found.attempt, found.max_attempts) == (4, 4)


def test_a_retry_of_a_job_that_was_canceled_between_attempts_keeps_what_there_was(
    work, line, look, ask
):
    job = line.call(sample.fail, kwargs={"message": "m"}, retry=Retry(1, [600]))
    work()
    ask(lambda _, control: control.cancel(job.id))
    assert told(look(job)) == [(1, "ValueError: m")]

    ask(lambda _, control: control.retry(job.id))

    assert told(look(job)) == [(1, "ValueError: m")]


# Processes that die.


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
    wait_until((tmp_path / "never.begun").exists, 20)
    before = datetime.now(UTC)
    if how == "stopped":
        send_stop_job_command(line.redis, job.id)
    else:
        os.kill(stock.horse, signal.SIGKILL)
    wait_until(lambda: look(job).status == how, 20)

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
    wait_until((tmp_path / "go.begun").exists, 20)
    (running,) = look(job).attempts
    assert (running.number, running.ended_at, running.error) == (1, None, None)

    worker.end()

    found = look(job)
    assert (found.status, found.attempt, found.attempts) == ("queued", 0, [])


# What stands there otherwise.


@pytest.mark.parametrize("kept", ["7", "{}", "[]", "broken", json.dumps({"start": 1})])
def test_what_nobody_writes_there_is_told_of_that_job_alone(work, line, look, kept):
    job = line.call(sample.succeed_at, kwargs={"number": 2}, retry=Retry(1))
    work()
    line.redis.hset(f"rq:job:{job.id}", "attempt:1", kept)

    with pytest.raises(UnreadableJob, match="attempt"):
        look(job)


# Asking to be run later.


def test_a_task_says_when_it_is_run_again(work, line, look):
    job = line.put(sample.later, 600, 1, "the bank is closed", retries=1)
    before = time.time()

    work()

    found = look(job)
    assert (found.status, found.attempt) == ("scheduled", 1)
    assert 600 <= found.run_at.timestamp() - before < 615
    assert told(found) == [(1, "RetryLater: the bank is closed; it asked to be run again in 600 s")]
    line.make_due(job)
    work()
    assert line.result(job) == 2


def test_a_task_may_be_run_again_at_once(work, line, look):
    job = line.put(sample.later, 0, 2, retries=2)

    work()

    assert line.result(job) == 3
    assert look(job).attempt == 3


def test_a_part_of_a_second_is_never_cut_off(work, line, look):
    job = line.put(sample.later, 0.25, retries=1)

    work()

    found = look(job)
    if found.status == "scheduled":  # else a scheduler was as quick as that
        assert found.run_at >= found.attempts[0].ended_at + timedelta(seconds=0.25)
        line.make_due(job)
        work()
    first, second = look(job).attempts
    assert second.number == 2
    assert first.error.message == "it asked to be run again in 0.25 s"


def test_ten_years_are_kept(work, line, look):
    job = line.put(sample.later, 10 * 365 * 86_400, retries=1)

    work()

    assert look(job).run_at - datetime.now(UTC) > timedelta(days=3649)


def test_without_attempts_left_the_job_fails_with_that_reason(work, line, look):
    job = line.put(sample.later, 600, 1, "the bank is closed")

    work()

    found = look(job)
    assert (found.status, found.attempt, found.max_attempts) == ("failed", 1, 1)
    assert found.error.type == "RetryLater"
    assert found.error.message == "the bank is closed; it asked to be run again in 600 s"


def test_a_time_that_nobody_can_keep_fails_the_attempt_and_says_so(work, line):
    job = line.put(sample.later, -1)

    work()

    assert "ValueError: RetryLater(-1.0): give seconds from 0 to " in line.error(job)


def test_a_coroutine_may_ask_too_whatever_it_gives_up_on(work, line):
    job = line.put(sample.later_on_a_loop, 0, retries=1)

    work()

    assert line.result(job) == 2


# What is retried.


@pytest.mark.parametrize(("kind", "attempts"), [("passing", 4), ("no cure", 1), ("other", 1)])
def test_only_what_the_task_names_is_retried(work, line, look, kind, attempts):
    job = line.put(sample.retry_some, kind)

    work()

    found = look(job)
    assert (found.status, found.attempt, found.max_attempts) == ("failed", attempts, 4)
    assert len(found.attempts) == attempts
    assert found.error.message == kind


def test_a_time_out_is_retried_only_where_the_task_names_it(work, line, look):
    jobs = [line.put(sample.retry_some_later, 30, timeout=1)]

    work()

    found = look(jobs[0])
    assert (found.status, found.attempt, found.max_attempts) == ("failed", 1, 4)
    assert found.error.type == "JobTimeoutException"


def test_a_jobs_own_number_of_retries_goes_before_the_tasks(work, line, look):
    job = line.put(
        sample.retry_some, "passing", **JobOptions(retries=1).model_dump(exclude_unset=True)
    )

    work()

    assert (look(job).attempt, look(job).max_attempts) == (2, 2)
