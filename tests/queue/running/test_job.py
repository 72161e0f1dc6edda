"""The job that this process executes, as its task is told of it."""

import pytest
from rq import Retry
from rq.job import Job as RQJob

from app.context import attempt, job_id
from app.queue.running.job import RunningRQJob, running_job
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work


@pytest.fixture
def job(redis_client):
    made = RQJob.create("os.getcwd", connection=redis_client, id="an-id")
    made.retries_left, made.retry_intervals = 1, [5, 5, 5]
    return made


def test_there_is_none_outside_of_a_job():
    assert running_job() is None
    assert (job_id(), attempt()) == (None, 1)


def test_a_job_tells_its_id_and_how_often_it_was_begun(job):
    assert (RunningRQJob(job).id, RunningRQJob(job).attempt) == ("an-id", 3)


def test_a_job_without_retries_is_at_its_first_attempt(redis_client):
    assert RunningRQJob(RQJob.create("os.getcwd", connection=redis_client)).attempt == 1


def test_a_job_is_claimed_once(job):
    running = RunningRQJob(job)

    assert [running.claim(bool) for _ in range(3)] == [True, False, False]


def test_what_the_task_calls_final_ends_the_attempts_and_keeps_their_count(job):
    RunningRQJob(job).claim(lambda error: isinstance(error, LookupError))

    job.raised(ValueError())
    assert job.should_retry
    job.raised(KeyError())

    assert not job.should_retry
    assert (job.retries_left, RunningRQJob(job).attempt) == (1, 3)


def test_a_job_that_asked_for_attempts_by_its_result_counts_them(job):
    job.number_of_retries = 4

    assert RunningRQJob(job).attempt == 7


def test_rqs_own_answer_to_be_run_again_is_no_result(job):
    running = RunningRQJob(job)

    assert running.is_for_queue(Retry(max=1))
    assert not running.is_for_queue({"max": 1})


@pytest.mark.usefixtures("signals")
def test_a_task_may_ask_to_be_run_again(enqueue, redis_client):
    job = enqueue(mine.asks_again, times=2)

    work(redis_client)

    read = RQJob.fetch(job.id, connection=redis_client)
    assert read.get_status() == "finished"
    assert read.return_value() == "done"
    assert [result.type.name for result in reversed(read.results())] == [
        "RETRIED",
        "RETRIED",
        "SUCCESSFUL",
    ]


@pytest.mark.usefixtures("signals")
def test_each_attempt_in_one_process_is_told_of_its_own_job(enqueue, redis_client):
    jobs = [enqueue(mine.send, to=str(n)) for n in range(3)]

    work(redis_client)

    told = [RQJob.fetch(job.id, connection=redis_client).return_value()["job"] for job in jobs]
    assert told == [job.id for job in jobs]
