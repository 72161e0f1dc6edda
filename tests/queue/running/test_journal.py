"""What a running job says of itself, on its way to Redis."""

import json
import logging

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.job import Job as RQJob

from app.queue import keys
from app.queue.running import journal as module
from app.queue.running.flusher import Flusher
from app.queue.running.journal import Journal
from app.queue.running.lines import MOST_BYTES, MOST_LINES
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import wait_until


@pytest.fixture
def job(redis_client):
    """A job that a worker runs."""
    made = RQJob.create("os.getcwd", connection=redis_client, id="an-id", origin="default")
    made.worker_name = "w"
    made.save()
    redis_client.hset("rq:job:an-id", mapping={"status": "started", "worker_name": "w"})
    return made


@pytest.fixture
def journal(job):
    return Journal(job, Flusher())


@pytest.fixture
def kept(raw):
    return lambda: [json.loads(line) for line in raw.lrange("task-api:log:an-id", 0, -1)]


def test_batches_are_joined_in_the_ring_and_a_thousand_lines_are_kept(journal, kept, raw):
    for number in range(5):
        journal.printed("stdout", f"{number}\n" * 300)
        journal.flush()

    expected = [*["1"] * (MOST_LINES - 900), *["2"] * 300, *["3"] * 300, *["4"] * 300]
    assert [line["message"] for line in kept()] == expected
    assert raw.hget("rq:job:an-id", "log").startswith("1500 1000 ")  # lines, bytes of text


def test_the_bytes_of_the_text_alone_are_counted_as_json_writes_it(journal, kept, raw):
    for text in ('"quoted"', 'a "message":"in it"}', "é" * 10, "x" * 8_000):
        journal.printed("stdout", f"{text}\n")
    journal.flush()
    for _ in range(10):
        journal.printed("stdout", "y" * 8_000 + "\n")
        journal.flush()

    texts = [line["message"] for line in kept()]
    assert texts == ["y" * 8_000] * (MOST_BYTES // 8_000)
    assert raw.hget("rq:job:an-id", "log").startswith(f"14 {8_000 * len(texts)} ")


def test_lines_that_were_dropped_here_count_as_written(journal, raw):
    journal.printed("stdout", "\n" * 200_000)
    journal.printed("stdout", "end")
    journal.close()

    assert raw.hget("rq:job:an-id", "log").startswith("200001 ")


@pytest.mark.parametrize(
    "change",
    [
        {"worker_name": "another"},
        {"worker_name": ""},
        None,
    ],
)
def test_a_job_that_is_gone_or_taken_over_is_not_touched(journal, raw, change):
    if change is None:
        raw.delete("rq:job:an-id")
    else:
        raw.hset("rq:job:an-id", mapping=change)

    journal.printed("stdout", "a line\n")
    journal.report(50, "half")
    journal.flush()
    journal.printed("stdout", "another\n")
    journal.close()

    assert raw.exists("rq:job:an-id") == (change is not None)
    assert not raw.hexists("rq:job:an-id", "progress")
    assert not raw.exists("task-api:log:an-id", "task-api:events")


def test_what_comes_after_the_end_is_no_event(journal, raw):
    raw.hset("rq:job:an-id", "status", "finished")
    raw.expire("rq:job:an-id", 100)

    journal.report(100, "done")
    journal.printed("stdout", "late\n")
    journal.close()

    assert json.loads(raw.hget("rq:job:an-id", "progress"))["percent"] == 100
    assert not raw.exists("task-api:events")
    assert 95 <= raw.ttl("task-api:log:an-id") <= 100


def test_a_job_that_waits_to_be_run_again_gets_no_progress(journal, raw):
    raw.hset("rq:job:an-id", "status", "scheduled")

    journal.report(100, "done")
    journal.close()

    assert not raw.hexists("rq:job:an-id", "progress")


def test_the_log_of_a_running_job_expires_though_nobody_ends_it(journal, raw):
    raw.hset("rq:job:an-id", mapping={"failure_ttl": 604_800, "timeout": 100})

    journal.printed("stdout", "a line\n")
    journal.flush()

    assert 604_800 <= raw.ttl("task-api:log:an-id") <= 604_900


def test_a_lost_answer_writes_no_line_twice(journal, kept):
    send = journal._script

    def lose_the_answer(**call):
        send(**call)
        journal._script = send
        raise RedisConnectionError("lost")

    journal._script = lose_the_answer
    journal.printed("stdout", "once\n")
    with pytest.raises(RedisConnectionError):
        journal.flush()
    journal.printed("stdout", "after\n")
    journal.close()

    assert [line["message"] for line in kept()] == ["once", "after"]


def test_what_redis_was_away_for_is_sent_once_it_is_back(job, kept):
    flusher = Flusher()
    journal = Journal(job, flusher)
    flusher.add(journal)
    send = journal._script

    def away(**call):
        raise RedisConnectionError("away")

    journal._script = away
    journal.printed("stdout", "the last words\n")
    journal.close()  # the end of the attempt is not held up
    assert kept() == []
    journal._script = send

    wait_until(kept)
    wait_until(lambda: not flusher._sources)


def test_nobody_waits_for_redis_for_ever(job, caplog, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_AWAY", 0.0)
    flusher = Flusher()
    journal = Journal(job, flusher)
    flusher.add(journal)

    def away(**call):
        raise RedisConnectionError("away")

    journal._script = away
    journal.printed("stdout", "the last words\n")
    journal.close()

    wait_until(lambda: not flusher._sources)
    assert "job.log_lost id=an-id error=away" in caplog.text


def test_a_message_that_no_encoding_holds_is_written_out(journal, raw):
    journal.report(1, "\udcff")
    journal.close()

    assert json.loads(raw.hget("rq:job:an-id", "progress"))["message"] == "\\udcff"


def test_a_record_has_the_name_and_level_of_its_own_cut_to_a_measure(journal, kept):
    record = logging.LogRecord("n" * 1000, 35, "path", 1, "message", (), None)
    record.levelname = "LOUD"
    journal.logged(record, "message")
    journal.close()

    [line] = kept()
    assert (line["level"], len(line["logger"].encode())) == ("LOUD", 200)


def test_many_threads_that_begin_a_line_fill_no_memory(journal, monkeypatch):
    threads = iter(range(1000))
    monkeypatch.setattr(module.threading, "get_ident", lambda: next(threads))

    for number in range(1000):
        journal.printed("stdout", f"begun {number}")

    assert len(journal._begun) <= module.MOST_BEGUN


def test_a_failed_job_that_is_retried_keeps_its_log_and_loses_its_progress(
    enqueue, ask, raw, redis_client
):
    made = said_and_ended(enqueue, redis_client, "failed")
    raw.expire(keys.log(made.id), 10)

    ask(lambda service: service.control.retry(made.id))

    assert raw.llen(keys.log(made.id)) == 1
    assert raw.ttl(keys.log(made.id)) > 86_400
    assert not raw.hexists(keys.job(made.id), "progress")


def test_a_canceled_jobs_log_expires_with_it(enqueue, ask, raw, redis_client):
    made = said_and_ended(enqueue, redis_client, "queued")  # it waits for another attempt

    ask(lambda service: service.control.cancel(made.id), failure_ttl=50)

    assert 45 <= raw.ttl(keys.log(made.id)) <= raw.ttl(keys.job(made.id)) <= 50


def test_a_deleted_jobs_log_goes_with_it(enqueue, ask, raw, redis_client):
    made = said_and_ended(enqueue, redis_client, "failed")

    ask(lambda service: service.control.delete(made.id))

    assert not raw.exists(keys.log(made.id))


def said_and_ended(enqueue, redis_client, status):
    """Give a job that a worker has run, and that has said something."""
    made = enqueue(mine.send, to="ada")
    job = keys.job(made.id)
    redis_client.hset(job, mapping={"status": "started", "worker_name": "w"})
    journal = Journal(RQJob.fetch(made.id, connection=redis_client), Flusher())
    journal.printed("stdout", "a line\n")
    journal.report(50, None)
    journal.close()
    redis_client.hset(job, mapping={"status": status, "started_at": "2026-11-20T12:00:00.000000Z"})
    assert redis_client.hexists(job, "progress")
    return made
