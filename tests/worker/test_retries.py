"""Further attempts, by RQ's worker and by ours."""

import pytest
from rq import Repeat
from rq import Retry as RetryOption
from rq.results import Result

from tests.worker import sample_tasks as sample
from tests.worker.processes import wait_until


def test_a_job_is_tried_again_until_it_succeeds(work, line):
    job = line.call(sample.succeed_at, kwargs={"number": 3}, retry=RetryOption(3, [0, 0, 0]))

    work()

    assert line.result(job) == 3
    assert line.again(job).retries_left == 1


def test_a_job_that_fails_in_every_attempt_fails(work, line):
    job = line.call(sample.fail, kwargs={"message": "m"}, retry=RetryOption(2, [0, 0]))

    work()

    assert "ValueError: m" in line.error(job)
    assert line.again(job).retries_left == 0


def test_a_retry_with_an_interval_is_scheduled_and_then_run(work, line):
    job = line.call(sample.succeed_at, kwargs={"number": 2}, retry=RetryOption(1, [600]))

    work()

    assert line.again(job).get_status() == "scheduled"
    due = line.redis.zscore("rq:scheduled:default", job.id)
    assert 590 < due - line.redis.time()[0] < 610
    assert line.waiting() == []
    line.make_due(job)

    work()

    assert line.result(job) == 2
    assert line.redis.zcard("rq:scheduled:default") == 0


def test_a_retry_goes_to_the_back_of_its_queue(work, line, tmp_path):
    log = tmp_path / "log"
    job = line.call(sample.succeed_at, kwargs={"number": 2}, retry=RetryOption(1))
    line.put(sample.note, str(log), "between")

    work(max_jobs=2)

    assert line.waiting() == [job.id]
    assert log.read_text() == "between\n"


def test_a_retry_goes_to_the_front_where_it_says_so(work, line, tmp_path):
    job = line.call(
        sample.succeed_at, kwargs={"number": 2}, retry=RetryOption(1, enqueue_at_front=True)
    )
    other = line.put(sample.add, 1)

    work(max_jobs=1)

    assert line.waiting() == [job.id, other.id]


def test_a_scheduled_retry_goes_to_the_front_where_it_says_so(work, line):
    job = line.call(
        sample.succeed_at, kwargs={"number": 2}, retry=RetryOption(1, 600, enqueue_at_front=True)
    )
    work()
    line.make_due(job)
    other = line.put(sample.fail, "first")

    work(max_jobs=1)

    assert line.result(job) == 2
    assert line.waiting() == [other.id]


def test_an_exception_that_nothing_mends_is_not_tried_again(work, line):
    job = line.put(sample.give_up, retries=5)

    work()

    assert "NoCure: there is none" in line.error(job)


def test_a_retry_as_a_result_runs_the_job_again(work, line):
    job = line.put(sample.ask_to_retry, 2)

    work()

    assert line.result(job) == "done"
    assert line.again(job).number_of_retries == 2
    assert line.kinds(job) == [Result.Type.RETRIED, Result.Type.RETRIED, Result.Type.SUCCESSFUL]


def test_a_retry_as_a_result_may_have_an_interval(work, line):
    job = line.put(sample.ask_to_retry, 1, 600)

    work()

    assert line.again(job).get_status() == "scheduled"
    line.make_due(job)
    work()
    assert line.result(job) == "done"


def test_a_retry_as_a_result_has_an_end(work, line):
    job = line.put(sample.ask_without_end)

    work()

    assert line.again(job).get_status() == "failed"
    assert line.kinds(job)[-1] == Result.Type.MAX_RETRIES_EXCEEDED
    assert job.id in line.queue().failed_job_registry


def test_a_repeated_job_runs_as_often_as_it_says(work, line, tmp_path):
    log = tmp_path / "log"
    job = line.call(
        sample.note, kwargs={"path": str(log), "word": "again"}, repeat=Repeat(times=2, interval=0)
    )

    work()

    assert log.read_text() == "again\n" * 3
    assert line.again(job).repeats_left == 0


def test_a_repeat_with_an_interval_is_scheduled(work, line, tmp_path):
    log = tmp_path / "log"
    job = line.call(
        sample.note, kwargs={"path": str(log), "word": "x"}, repeat=Repeat(times=1, interval=600)
    )
    work()
    assert log.read_text() == "x\n"
    line.make_due(job)

    work()

    assert log.read_text() == "x\n" * 2


def test_a_delayed_job_waits_for_its_time(work, line):
    job = line.put(sample.add, 1, delay=600)

    work()
    assert line.again(job).get_status() == "scheduled"
    line.make_due(job)
    work()

    assert line.result(job) == 2


def test_a_delayed_job_for_the_front_goes_there(work, line):
    job = line.put(sample.add, 1, delay=600, front=True)
    other = line.put(sample.add, 2)
    line.make_due(job)

    work(max_jobs=1)

    assert line.result(job) == 2
    assert line.waiting() == [other.id]


def test_a_scheduled_job_keeps_the_time_to_live_that_it_has_in_a_queue(work, line):
    first = line.put(sample.add, 1)
    job = line.call(sample.add, kwargs={"left": 1}, ttl=300)
    line.redis.lrem("rq:queue:default", 1, job.id)
    line.redis.zadd("rq:scheduled:default", {job.id: 1})
    line.redis.hset(f"rq:job:{job.id}", "status", "scheduled")
    line.redis.persist(f"rq:job:{job.id}")

    work(max_jobs=1)

    assert line.result(first) == 2
    assert wait_until(lambda: line.waiting() == [job.id])
    assert 290 < line.redis.ttl(f"rq:job:{job.id}") <= 300


@pytest.mark.parametrize(
    ("function", "arguments", "why"),
    [
        (sample.retry_some, {"kind": "no cure"}, "the task's `give_up_on` names NoCure"),
        (sample.retry_some, {"kind": "other"}, "the task's `retry_on` does not name ValueError"),
        (
            sample.retry_some_later,
            {"seconds": 30},
            "the task's `retry_on` does not name JobTimeoutException",
        ),
        (sample.retry_some, {}, "no attempt mends arguments or a result that do not fit"),
        (sample.fail, {"message": "m"}, None),
    ],
)
def test_a_job_that_is_not_tried_again_keeps_the_rule(work, line, function, arguments, why):
    job = line.call(function.function, kwargs=arguments, retry=RetryOption(3, [0]), timeout=1)

    work()

    assert line.error(job)
    kept = line.redis.hget(f"rq:job:{job.id}", "gave_up")
    assert kept == (why and why.encode())
