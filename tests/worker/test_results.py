"""What becomes of a job's result or exception, by RQ's worker and by ours."""

import pytest
from rq import Retry
from rq.results import Result

from tests.worker import sample_tasks as sample


def test_a_result_is_kept_with_the_job(work, line):
    job = line.put(sample.add, 2, 40)

    work()

    assert line.result(job) == 42
    assert job.id in line.queue().finished_job_registry
    assert 0 < line.redis.ttl(f"rq:job:{job.id}") <= 86_400


def test_nested_arguments_and_results_are_what_json_holds(work, line):
    job = line.put(sample.join, {"left": 1, "right": 2}, kwargs={"word": "or"})

    work()

    assert line.result(job) == {"text": "1 or 2", "list": [1, 2.5, None, True]}


def test_a_task_without_a_result_finishes_with_none(work, line):
    job = line.put(sample.nothing)

    work()

    assert line.result(job) is None
    assert line.kinds(job) == [Result.Type.SUCCESSFUL]


def test_positional_arguments_of_a_plain_client_arrive(work, line):
    job = line.call(sample.add, args=(1,), kwargs={"right": 2})

    work()

    assert line.result(job) == 3


def test_an_exception_fails_the_job_with_its_traceback(work, line):
    job = line.put(sample.fail, "the reason")

    work()

    error = line.error(job)
    assert error.startswith("Traceback (most recent call last):")
    assert "raise ValueError(message)\nValueError: the reason" in error
    assert job.id in line.queue().failed_job_registry


def test_an_exception_that_is_no_text_fails_its_job_all_the_same(work_ours, line):
    job = line.call(sample.fail_without_text, retry=Retry(1, 0))
    after = line.put(sample.add, 1)

    work_ours()

    assert r"ValueError: \udcff" in line.error(job)
    assert line.again(job).retries_left == 0
    assert line.result(after) == 2


def test_our_worker_shows_the_tasks_own_frames_alone(work_ours, line):
    job = line.put(sample.fail, "the reason")

    work_ours()

    assert line.error(job).count("  File ") == 1


def test_the_end_of_the_interpreter_asked_for_by_a_task_fails_its_job_alone(work, line):
    first, second = line.put(sample.leave, 3), line.put(sample.add, 1)

    work()

    assert "SystemExit: 3" in line.error(first)
    assert line.result(second) == 2


def test_a_result_that_json_cannot_hold_fails_the_job_and_names_the_type(work, line):
    job = line.put(sample.unfit, retries=3)

    work()

    assert "UnserializableResult" in line.error(job)
    assert "object" in line.error(job)


def test_arguments_that_do_not_fit_fail_the_job_and_are_not_tried_again(work, line):
    job = line.call(sample.add, kwargs={"left": "no number"})

    work()

    assert "InvalidArguments" in line.error(job)


def test_an_async_task_runs_and_its_exception_fails_the_job(work, line):
    first, second = line.put(sample.add_later, 2, 3), line.put(sample.fail_later)

    work()

    assert line.result(first) == 5
    assert "ValueError: later" in line.error(second)


def test_async_tasks_share_one_event_loop(work_ours, line):
    jobs = [line.put(sample.which_loop) for _ in range(3)]

    work_ours()

    assert len({line.result(job) for job in jobs}) == 1


def test_a_job_knows_itself(work, line):
    job = line.put(sample.about_itself, queue="high")

    work()

    assert line.result(job) == [job.id, 1, job.id, "high", "started", {}]


def test_what_a_job_keeps_in_its_meta_stays(work, line):
    job = line.put(sample.keep_meta, ["a", "b"])

    work()

    assert line.again(job).meta == {"words": ["a", "b"]}
    assert line.result(job) == ["a", "b"]


def test_a_result_that_is_to_be_kept_for_ever_is(work, line):
    job = line.call(sample.add, kwargs={"left": 1}, result_ttl=-1)

    work()

    assert line.result(job) == 2
    assert line.redis.ttl(f"rq:job:{job.id}") == -1
    assert line.redis.ttl(f"rq:results:{job.id}") == -1


def test_a_job_whose_result_is_not_kept_is_gone(work, line):
    job = line.call(sample.add, kwargs={"left": 1}, result_ttl=0)

    work()

    assert not line.redis.exists(f"rq:job:{job.id}")
    assert line.queue().finished_job_registry.get_job_ids() == []


def test_a_failed_job_is_kept_as_long_as_it_says(work, line):
    job = line.call(sample.fail, kwargs={"message": "m"}, failure_ttl=77)

    work()

    assert 70 < line.redis.ttl(f"rq:job:{job.id}") <= 77
    assert 70 < line.redis.ttl(f"rq:results:{job.id}") <= 77


def test_a_failed_job_of_no_failure_ttl_is_kept(work, line):
    job = line.call(sample.fail, kwargs={"message": "m"}, failure_ttl=-1)

    work()

    assert "ValueError: m" in line.error(job)
    assert line.redis.ttl(f"rq:job:{job.id}") == -1


def test_the_default_result_ttl_of_the_worker_is_for_jobs_without_one(work, line):
    job = line.call(sample.add, kwargs={"left": 1})

    work(default_result_ttl=33)

    assert 20 < line.redis.ttl(f"rq:job:{job.id}") <= 33


@pytest.mark.parametrize("ttl", [0, -1])
def test_the_default_result_ttl_may_say_for_ever_or_not_at_all(work, line, ttl):
    job = line.call(sample.add, kwargs={"left": 1})

    work(default_result_ttl=ttl)

    assert line.redis.exists(f"rq:job:{job.id}") == (ttl == -1)


def test_an_exception_handler_of_the_worker_is_asked(work, line):
    job = line.put(sample.fail, "m")

    def handler(job, kind, value, traceback):
        line.redis.rpush("said", f"{job.id} {kind.__name__}")

    work(exception_handlers=[handler])

    assert line.said() == [f"{job.id} ValueError"]


def test_the_worker_counts_what_it_has_done(work, line):
    for _ in range(3):
        line.put(sample.add, 1)
    line.put(sample.fail, "m")

    work()

    counts = line.redis.hgetall("rq:worker:w")
    assert counts[b"successful_job_count"] == b"3"
    assert counts[b"failed_job_count"] == b"1"
    assert float(counts[b"total_working_time"]) > 0


def test_it_says_whether_there_was_work(work, line):
    assert work().successful_job_count == 0
