"""Which job comes next, and when a worker ends by itself; by RQ's worker and by ours."""

import time

import pytest
from rq.worker import DequeueStrategy

from tests.worker import sample_tasks as sample


@pytest.fixture
def note(line, tmp_path):
    """Enqueue a job that leaves a word in a log; `note.log` gives what is in it."""
    log = tmp_path / "log"

    def note(word, **options):
        return line.put(sample.note, str(log), word, **options)

    note.log = lambda: log.read_text().split() if log.exists() else []
    return note


def test_queues_are_served_in_strict_order_of_priority(work, note):
    for word in ("1", "2"):
        note(f"low{word}", queue="low")
        note(f"default{word}")
        note(f"high{word}", queue="high")

    work()

    assert note.log() == ["high1", "high2", "default1", "default2", "low1", "low2"]


def test_a_worker_serves_its_own_queues_alone(work, note, line):
    note("high", queue="high")
    note("low", queue="low")

    work(queues=["low"])

    assert note.log() == ["low"]
    assert len(line.waiting("high")) == 1


def test_a_job_for_the_front_is_next(work, note):
    note("second")
    note("first", front=True)

    work()

    assert note.log() == ["first", "second"]


def test_in_a_round_robin_each_queue_has_its_turn(work, note):
    for number in range(2):
        for queue in ("high", "default", "low"):
            note(f"{queue}{number}", queue=queue)

    work(dequeue_strategy=DequeueStrategy.ROUND_ROBIN)

    assert note.log() == ["high0", "default0", "low0", "high1", "default1", "low1"]


def test_at_random_all_queues_are_served(work, note):
    for number in range(14):
        note(f"high{number}", queue="high")
        note(f"low{number}", queue="low")

    work(dequeue_strategy=DequeueStrategy.RANDOM)

    log = note.log()
    assert sorted(log) == sorted(f"{q}{n}" for q in ("high", "low") for n in range(14))
    assert log[:14] != [f"high{number}" for number in range(14)]


def test_a_worker_ends_after_its_number_of_jobs(work, note, line):
    for number in range(4):
        note(str(number))

    work(max_jobs=2)

    assert note.log() == ["0", "1"]
    assert len(line.waiting()) == 2


def test_a_crash_counts_as_one_of_its_jobs(work, note, line):
    line.put(sample.exit_hard, 3)
    note("second")
    note("third")

    work(max_jobs=2)

    assert note.log() == ["second"]


def test_a_worker_that_is_idle_for_long_enough_ends(work, note):
    note("one")
    begun = time.monotonic()

    work(burst=False, max_idle_time=1, with_scheduler=False)

    assert note.log() == ["one"]
    assert 1 <= time.monotonic() - begun < 30


def test_suspended_workers_take_nothing(work, note, line):
    note("one")
    line.redis.set("rq:suspended", 1)

    work()

    assert note.log() == []
    assert len(line.waiting()) == 1


def test_jobs_that_are_gone_are_passed_over(work, note, line):
    deleted, expired, canceled = (note(word) for word in ("deleted", "expired", "canceled"))
    note("stays")
    deleted.delete(remove_from_queue=False)
    line.redis.pexpire(f"rq:job:{expired.id}", 1)
    canceled.cancel()
    time.sleep(0.01)

    work()

    assert note.log() == ["stays"]
    assert line.again(canceled).get_status() == "canceled"


def test_however_many_jobs_are_gone_the_one_behind_them_is_run(work_ours, note, line):
    line.redis.rpush("rq:queue:default", *(f"gone-{number}" for number in range(2500)))
    note("behind them")

    work_ours()

    assert note.log() == ["behind", "them"]


def test_a_canceled_job_that_is_still_in_the_line_is_passed_over(work_ours, note, line):
    # RQ's worker runs it: one that was canceled between its look-up and its removal.
    job = note("canceled")
    line.redis.hset(f"rq:job:{job.id}", "status", "canceled")
    note("stays")

    work_ours()

    assert note.log() == ["stays"]
