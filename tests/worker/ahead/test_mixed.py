"""Jobs of every kind among those that are claimed ahead."""

import pytest
from rq import Callback

from tests.worker import ahead_tasks as tasks
from tests.worker import sample_tasks as sample
from tests.worker.ahead.conftest import statuses

pytestmark = pytest.mark.usefixtures("unhurried")


def test_a_job_that_fails_harms_neither_the_one_before_nor_the_one_claimed_ahead(
    work_briskly, line
):
    before, failing, after = (
        line.put(sample.add, 1),
        line.put(tasks.then_fail, line.url),
        line.put(sample.add, 2),
    )

    work_briskly()

    assert [line.result(before), line.result(after)] == [2, 3]
    assert "as it was to" in line.error(failing)
    assert [len(line.kinds(job)) for job in (before, failing, after)] == [1, 1, 1]


def test_a_job_that_gets_a_dependent_while_it_runs_is_ended_rqs_way(work_briskly, line):
    line.put(sample.add, 1)
    job = line.put(sample.enqueue_dependent, line.url)
    after = line.put(sample.add, 2)

    work_briskly()

    assert line.result(job) == "child"
    assert line.job("child").return_value() == 2
    assert line.result(after) == 3
    assert [len(line.kinds(each)) for each in (job, after)] == [1, 1]


def test_a_job_that_others_wait_for_is_ended_before_the_next_one_begins(work_briskly, line):
    parent = line.put(sample.add, 1)
    child = line.call(sample.add, kwargs={"left": 1}, depends_on=parent, queue="high")
    after = line.put(sample.now)

    work_briskly()

    assert line.again(child).enqueued_at.timestamp() < line.result(after)
    assert line.result(child) == 2


def test_callbacks_and_isolated_tasks_are_mixed_with_what_is_claimed_ahead(work_briskly, line):
    jobs = []
    for number in range(3):
        jobs += [
            line.put(sample.add, number),
            line.call(sample.add, kwargs={"left": 1}, on_success=Callback(sample.say_success)),
            line.put(sample.which_process_alone),
            line.put(sample.add_later, number),
        ]

    work_briskly()

    for job in jobs:
        line.result(job)
        assert len(line.kinds(job)) == 1
    assert len({line.result(job) for job in jobs[2::4]}) == 3
    assert len(line.said()) == 3
    assert line.redis.keys("rq:execution*") == []


def test_a_renewed_horse_leaves_nothing_behind(work_briskly, line):
    jobs = [line.put(sample.which_process) for _ in range(9)]

    work_briskly(settings={"renew_after_jobs": 3})

    pids = [line.result(job) for job in jobs]
    assert [len(set(pids[start : start + 3])) for start in (0, 3, 6)] == [1, 1, 1]
    assert len(set(pids)) == 3
    assert {tuple(statuses(line, job)) for job in jobs} == {("queued", "started", "finished")}
