"""Jobs that run after others, however those end, by RQ's worker and by ours."""

import json
import signal

import pytest
from rq.command import send_stop_job_command

from app.errors import UnknownParent
from tests.worker import sample_tasks as sample
from tests.worker.processes import wait_until


def event_statuses(line, job):
    entries = [fields for _, fields in line.redis.xrange("task-api:events")]
    return [e[b"status"].decode() for e in entries if e[b"job"].decode() == job.id]


def status(line, job):
    return line.again(job).get_status()


def reason(line, job):
    return (line.redis.hget(f"rq:job:{job.id}", "canceled_because") or b"").decode()


def leftovers(line, *jobs):
    """What is kept of who waits for whom."""
    names = [f"rq:job:{job.id}:dependents" for job in jobs]
    names += [f"rq:job::{job.id}:dependencies" for job in jobs]
    return [name for name in names if line.redis.exists(name)]


def test_a_job_runs_after_the_one_that_it_waits_for(work, line, tmp_path):
    log = str(tmp_path / "log")
    first = line.put(sample.note, log, "first", queue="low")
    second = line.put(sample.note, log, "second", queue="high", after=first.id)
    assert status(line, second) == "deferred"
    assert line.redis.zrange("rq:deferred:high", 0, -1) == [second.id.encode()]

    work()

    assert (tmp_path / "log").read_text() == "first\nsecond\n"
    assert line.redis.zcard("rq:deferred:high") == 0
    assert leftovers(line, first, second) == []


def test_a_chain_runs_link_by_link(work, line, tmp_path):
    log = str(tmp_path / "log")
    jobs = [line.put(sample.note, log, "0")]
    for number in range(1, 5):
        jobs.append(line.put(sample.note, log, str(number), after=jobs[-1].id))

    work()

    assert (tmp_path / "log").read_text().split() == ["0", "1", "2", "3", "4"]
    assert leftovers(line, *jobs) == []


def test_a_job_waits_for_all_of_its_parents_and_runs_once(work, line, tmp_path):
    log = tmp_path / "log"
    parents = [line.put(sample.note, str(log), f"parent {n}") for n in range(3)]
    last = line.put(sample.note, str(log), "last", after=[job.id for job in parents])

    work()

    assert log.read_text().splitlines() == ["parent 0", "parent 1", "parent 2", "last"]
    assert status(line, last) == "finished"
    assert leftovers(line, *parents, last) == []


def test_every_step_of_a_job_that_waits_is_an_event(work, line, tmp_path):
    first = line.put(sample.note, str(tmp_path / "log"), "first")
    second = line.put(sample.note, str(tmp_path / "log"), "second", after=first.id)

    work()

    assert event_statuses(line, second) == ["deferred", "queued", "started", "finished"]


def test_a_parent_whose_result_is_not_kept_lets_the_next_one_run(work, line, tmp_path):
    first = line.put(sample.note, str(tmp_path / "log"), "first", result_ttl=0)
    second = line.put(sample.note, str(tmp_path / "log"), "second", after=first.id)

    work()

    assert status(line, second) == "finished"


def test_a_job_after_one_that_fails_is_canceled_with_the_reason_and_those_after_it(work, line):
    first = line.put(sample.fail, "m")
    second = line.put(sample.add, 1, 2, after=first.id)
    third = line.put(sample.add, 1, 2, after=second.id)

    work()

    assert [status(line, job) for job in (first, second, third)] == [
        *("failed", "canceled", "canceled")
    ]
    assert reason(line, second) == (
        f"job {first.id}, which it was to run after, failed (after_failure=cancel)"
    )
    assert f"job {second.id}" in reason(line, third)
    assert event_statuses(line, third) == ["deferred", "canceled"]
    assert line.redis.zrange("rq:canceled:default", 0, -1) == [
        each.id.encode() for each in (second, third)
    ]
    assert leftovers(line, first, second, third) == []


def test_a_job_that_runs_whatever_happens_runs_after_a_failure(work, line):
    first = line.put(sample.fail, "m")
    second = line.put(sample.add, 1, 2, after=first.id, after_failure="run")

    work()

    assert line.result(second) == 3
    assert leftovers(line, first, second) == []


def test_a_parent_that_is_tried_again_has_not_failed_yet(work, line):
    first = line.put(sample.fail, "m", retries=1)
    second = line.put(sample.add, 1, 2, after=first.id)

    work(max_jobs=1)

    if status(line, first) == "scheduled":
        assert status(line, second) == "deferred"
        line.make_due(line.again(first))
    work()

    assert status(line, first) == "failed"
    assert status(line, second) == "canceled"


def test_jobs_of_a_plain_client_are_queued_beside_ours_and_none_twice(work, line, tmp_path):
    log = tmp_path / "log"
    first = line.put(sample.note, str(log), "first")
    ours = line.put(sample.note, str(log), "ours", after=first.id)
    theirs = line.call(sample.note, kwargs={"path": str(log), "word": "theirs"}, depends_on=first)

    work()

    assert sorted(log.read_text().split()) == ["first", "ours", "theirs"]
    assert {status(line, job) for job in (ours, theirs)} == {"finished"}


def test_a_job_after_those_that_have_finished_is_queued_at_once(work, line):
    first = line.put(sample.add, 1, 2)
    work()

    second = line.put(sample.add, 3, 4, after=first.id)

    assert status(line, second) == "queued"
    assert json.loads(line.redis.hget(f"rq:job:{second.id}", "dependency_ids")) == [first.id]
    work()
    assert line.result(second) == 7


def test_a_job_after_one_that_has_failed_already_is_canceled_at_once(work, line):
    first = line.put(sample.fail, "m")
    work()

    second = line.put(sample.add, 1, 2, after=first.id)
    third = line.put(sample.add, 1, 2, after=first.id, after_failure="run")

    assert (status(line, second), status(line, third)) == ("canceled", "queued")
    assert "after, failed (after_failure=cancel)" in reason(line, second)


def test_a_job_after_one_that_is_not_there_is_refused(line):
    first = line.put(sample.add, 1, 2)

    with pytest.raises(UnknownParent) as refused:
        line.put(sample.add, 1, 2, after=[first.id, "nobody"])

    assert "'nobody'" in refused.value.facts["errors"][0]["message"]
    assert line.waiting() == [first.id]
    assert leftovers(line, first) == []


def test_a_horse_that_dies_settles_those_that_waited_for_its_job(work_ours, line):
    first = line.put(sample.die, 9)
    canceled = line.put(sample.add, 1, 2, after=first.id)
    run = line.put(sample.add, 1, 2, after=first.id, after_failure="run")

    work_ours()

    assert status(line, first) == "failed"
    assert status(line, canceled) == "canceled"
    assert line.result(run) == 3


def test_a_parent_that_is_stopped_settles_those_that_waited_for_it(start, line, tmp_path):
    start()
    sign = tmp_path / "sign"
    first = line.put(sample.wait_for, str(sign))
    canceled = line.put(sample.add, 1, 2, after=first.id)
    run = line.put(sample.add, 1, 2, after=first.id, after_failure="run")
    wait_until((tmp_path / "sign.begun").exists)

    send_stop_job_command(line.redis, first.id)

    wait_until(lambda: status(line, run) == "finished")
    assert (status(line, first), status(line, canceled)) == ("stopped", "canceled")
    assert "was stopped" in reason(line, canceled)


def test_a_parent_whose_worker_dies_settles_those_that_waited_for_it(start, line, tmp_path):
    worker = start(TASK_API_TAKEOVER_AFTER="5")
    first = line.put(sample.wait_for, str(tmp_path / "sign"))
    canceled = line.put(sample.add, 1, 2, after=first.id)
    run = line.put(sample.add, 1, 2, after=first.id, after_failure="run")
    wait_until((tmp_path / "sign.begun").exists)

    worker.send_group(signal.SIGKILL)
    start(TASK_API_TAKEOVER_AFTER="5")

    wait_until(lambda: status(line, run) == "finished")
    assert (status(line, first), status(line, canceled)) == ("failed", "canceled")


def test_a_parent_whose_record_is_broken_settles_those_that_waited_for_it(work_ours, line):
    first = line.put(sample.add, 1, 2)
    run = line.put(sample.add, 1, 2, after=first.id, after_failure="run")
    line.redis.hset(f"rq:job:{first.id}", "created_at", "yesterday")
    line.redis.hset(f"rq:job:{first.id}", "result_ttl", "0")  # so that RQ's own code reads it

    work_ours()

    assert line.redis.hget(f"rq:job:{first.id}", "status") == b"failed"
    assert line.result(run) == 3
