"""Each attempt as the job shows it, left by RQ's worker and by ours."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from rq import Retry

from app.errors import UnreadableJob
from app.queue.attempts import LONGEST_TEXT, MOST_KEPT
from tests.worker import sample_tasks as sample
from tests.worker.attempts.conftest import told


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


@pytest.mark.parametrize("kept", ["7", "{}", "[]", "broken", json.dumps({"start": 1})])
def test_what_nobody_writes_there_is_told_of_that_job_alone(work, line, look, kept):
    job = line.call(sample.succeed_at, kwargs={"number": 2}, retry=Retry(1))
    work()
    line.redis.hset(f"rq:job:{job.id}", "attempt:1", kept)

    with pytest.raises(UnreadableJob, match="attempt"):
        look(job)
