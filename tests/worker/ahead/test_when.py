"""When the next job is claimed while one runs."""

import threading
import time

import pytest

from app.queue import keys
from app.worker import ahead
from app.worker.ahead import Pace
from tests.worker import ahead_tasks as tasks
from tests.worker import sample_tasks as sample
from tests.worker.ahead.conftest import statuses
from tests.worker.processes import wait_until

pytestmark = pytest.mark.usefixtures("unhurried")


def test_a_worker_claims_ahead_once_jobs_were_short_and_came_without_a_pause(monkeypatch):
    monkeypatch.setattr(ahead, "STEADY", 0.05)
    pace = Pace()
    assert not pace.is_brisk()

    time.sleep(0.06)

    assert pace.is_brisk()
    pace.rested()
    assert not pace.is_brisk()


def test_jobs_that_take_their_time_are_not_claimed_ahead(monkeypatch):
    monkeypatch.setattr(ahead, "STEADY", -1.0)
    pace = Pace()

    for _ in range(20):
        pace.ended(0.0, 0.02)
    assert not pace.is_brisk()
    for _ in range(40):
        pace.ended(0.0, 0.001)

    assert pace.is_brisk()


def test_one_long_job_is_a_pause(monkeypatch):
    monkeypatch.setattr(ahead, "SHORT", 1.0)
    pace = Pace()
    long_ago = time.monotonic() - 10
    pace._steady_since = long_ago
    assert pace.is_brisk()

    now = time.monotonic()
    pace.ended(now - 0.06, now)

    assert not pace.is_brisk()


def test_the_next_job_is_started_while_one_runs_and_the_worker_shows_the_one_that_runs(
    work_briskly, line
):
    first = line.put(tasks.look, line.url)
    second = line.put(tasks.look, line.url)
    last = line.put(sample.add, 1)

    work_briskly()

    seen = line.result(first)
    assert (seen["current_job"], seen["claimed"]) == (first.id, second.id)
    assert seen["started"] == sorted([first.id, second.id])
    seen = line.result(second)
    assert (seen["current_job"], seen["claimed"], seen["state"]) == (second.id, last.id, "busy")
    assert seen["started"] == sorted([second.id, last.id])  # the first has ended meanwhile
    assert line.result(last) == 2
    assert [statuses(line, job)[-2:] for job in (first, second, last)] == [
        ["started", "finished"]
    ] * 3


def test_a_worker_that_is_alone_with_one_job_claims_nothing_ahead(work_ours, line):
    job, after = line.put(sample.sleep, 0.05), line.put(sample.add, 1)

    watched = threading.Thread(target=wait_until, args=(lambda: line.again(job).is_started,))
    watched.start()
    work_ours(burst=True, max_jobs=1)
    watched.join()

    assert statuses(line, after) == ["queued"]


def test_no_more_is_claimed_ahead_than_the_worker_may_run(work_briskly, line):
    jobs = [line.put(sample.add, number) for number in range(4)]

    work_briskly(max_jobs=2)

    assert line.waiting() == [job.id for job in jobs[2:]]
    assert statuses(line, jobs[2]) == ["queued"]


def test_workers_that_are_suspended_amid_a_job_claim_no_more_ahead(work_briskly, line, tmp_path):
    sign = tmp_path / "sign"
    first = line.put(sample.wait_for, str(sign))
    _, *others = [line.put(sample.add, number) for number in range(3)]  # one is claimed already

    def suspend():
        wait_until((tmp_path / "sign.begun").exists)
        line.redis.set("rq:suspended", 1)
        sign.touch()

    suspending = threading.Thread(target=suspend)
    suspending.start()
    work_briskly()
    suspending.join()

    assert line.result(first) == "seen"
    assert line.waiting()[-2:] == [job.id for job in others]
    assert [statuses(line, job) for job in others] == [["queued"]] * 2


def test_nothing_is_claimed_ahead_from_a_paused_queue_and_the_others_go_on(work_briskly, line):
    line.redis.sadd(keys.PAUSED, "high")
    held = [line.put(sample.add, number, queue="high") for number in range(3)]
    jobs = [line.put(sample.add, number) for number in range(10)]

    work_briskly()

    assert [line.result(job) for job in jobs] == [*range(1, 11)]
    assert line.waiting("high") == [job.id for job in held]
    assert {status for job in held for status in statuses(line, job)} == {"queued"}
