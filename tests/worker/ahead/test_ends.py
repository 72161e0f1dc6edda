"""A process that dies, a worker that is told to end, a connection that is lost: no job is."""

import pytest

from tests.worker import ahead_tasks as tasks
from tests.worker import sample_tasks as sample
from tests.worker.ahead.conftest import statuses

pytestmark = pytest.mark.usefixtures("unhurried")


def test_a_job_that_kills_its_process_takes_none_with_it(work_briskly, line):
    before, dying, after = (
        line.put(sample.add, 1),
        line.put(tasks.then_die, line.url),
        line.put(sample.add, 2),
    )

    work_briskly()

    assert [line.result(before), line.result(after)] == [2, 3]
    assert "signal 9 (SIGKILL)" in line.error(dying)
    assert line.redis.hget(f"rq:job:{after.id}", "crashes") is None
    assert statuses(line, after) == ["queued", "started", "queued", "started", "finished"]
    assert line.redis.zcard("rq:wip:default") == 0
    assert line.redis.keys("rq:execution*") == []


def test_told_to_end_a_worker_puts_back_what_it_has_claimed_ahead(work_briskly, line):
    job, after = line.put(tasks.then_end_worker, line.url), line.put(sample.add, 1)
    last = line.put(sample.add, 2)

    work_briskly(burst=False)

    line.result(job)
    assert line.waiting() == [after.id, last.id]
    assert line.again(after).get_status() == "queued"
    assert line.redis.zcard("rq:wip:default") == 0


def test_a_lost_connection_loses_no_job_and_runs_none_twice(work_briskly, line):
    jobs = [
        line.put(sample.add, 1),
        line.put(tasks.then_lose_connections, line.url),
        *(line.put(sample.add, number) for number in range(2, 5)),
    ]

    work_briskly()

    for job in jobs:
        line.result(job)
        assert statuses(line, job) == ["queued", "started", "finished"]
    assert line.redis.hget("rq:worker:w", "successful_job_count") == b"5"
