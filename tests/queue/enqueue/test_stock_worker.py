"""What RQ's own worker makes of the jobs that we have enqueued."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rq.job import Job as RQJob

from app.options import DEFAULT_OPTIONS, JobOptions
from app.queue.enqueue import Enqueuer
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import wait_until, work


def result_of(job, redis_client):
    return RQJob.fetch(job.id, connection=redis_client).latest_result()


@pytest.mark.usefixtures("signals")
class TestStockWorker:
    @pytest.mark.parametrize("chosen", [mine.send, mine.send_later], ids=["def", "async def"])
    def test_it_runs_the_job_to_its_result(self, enqueue, redis_client, chosen):
        job = enqueue(chosen, to="ada")

        work(redis_client)

        read = RQJob.fetch(job.id, connection=redis_client)
        assert read.get_status() == "finished"
        assert read.return_value() == {"to": "ada", "job": job.id, "attempt": 1}

    def test_arguments_come_back_as_the_types_that_they_were(self, enqueue, redis_client):
        job = enqueue(mine.send, to="ada", at=datetime(2030, 1, 1, tzinfo=UTC))

        work(redis_client)

        assert result_of(job, redis_client).return_value["to"] == "ada"

    def test_a_task_that_the_job_calls_returns_its_own_value(self, enqueue, redis_client):
        job = enqueue(mine.outer, to="ada")

        work(redis_client)

        assert result_of(job, redis_client).return_value == ["ada", "Receipt"]

    def test_it_retries_as_often_as_the_job_says(self, enqueue, redis_client):
        mended = enqueue(mine.flaky, fails=2)
        broken = enqueue(mine.flaky, fails=3)

        work(redis_client, "high")

        assert result_of(mended, redis_client).return_value == 3
        assert "ConnectionError: attempt 3" in result_of(broken, redis_client).exc_string
        assert RQJob.fetch(broken.id, connection=redis_client).get_status() == "failed"

    def test_it_gives_up_on_what_no_attempt_mends(self, enqueue, redis_client):
        job = enqueue(mine.hopeless)

        work(redis_client)

        read = RQJob.fetch(job.id, connection=redis_client)
        assert read.get_status() == "failed"
        assert "Hopeless: not today" in read.latest_result().exc_string
        assert len(read.results()) == 1

    @pytest.mark.parametrize(("value", "named"), [("nan", "float"), ("object", "object")])
    def test_a_result_that_json_cannot_hold_fails_and_is_named(
        self, enqueue, redis_client, value, named
    ):
        job = enqueue(mine.returns, value=value)

        work(redis_client)

        assert f"'returns' holds '{named}'," in result_of(job, redis_client).exc_string
        assert len(RQJob.fetch(job.id, connection=redis_client).results()) == 1

    def test_its_results_are_of_jsons_types(self, enqueue, redis_client):
        job = enqueue(mine.returns, value="plain")

        work(redis_client)

        assert result_of(job, redis_client).return_value == [1, {"a": None}]

    def test_with_its_scheduler_it_follows_the_intervals_of_the_retries(
        self, enqueue, redis_client
    ):
        job = enqueue(mine.flaky, fails=1)
        redis_client.hset(f"rq:job:{job.id}", "retry_intervals", "[2, 0]")
        begun = time.monotonic()

        work(redis_client, "high")

        read = RQJob.fetch(job.id, connection=redis_client)
        assert read.get_status() == "scheduled"
        while read.get_status() == "scheduled":
            assert time.monotonic() - begun < 30
            time.sleep(0.05)
            work(redis_client, "high", with_scheduler=True)
        assert read.get_status() == "finished"
        assert time.monotonic() - begun >= 1  # RQ cuts a time to the second
        assert result_of(job, redis_client).return_value == 2


def test_the_stock_command_runs_them_all_with_no_flag_but_for_the_scheduler(
    settings, redis_client, redis_url
):
    by = Enqueuer(settings)
    given = [
        by.enqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS),
        by.enqueue(mine.send_later, {"to": "ada"}, JobOptions(queue="low")),
        by.enqueue(mine.flaky, {"fails": 1}, DEFAULT_OPTIONS),
        by.enqueue(mine.send, {"to": "ada"}, JobOptions(delay=0.5)),
    ]
    redis_client.hset(f"rq:job:{given[2].id}", "retry_intervals", "[1, 1]")
    command = [Path(sys.executable).with_name("rq"), "worker", "high", "default", "low"]
    worker = subprocess.Popen(
        [*command, "--with-scheduler", "--quiet"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "RQ_REDIS_URL": redis_url, "PYTHONPATH": "."},
    )

    def statuses():
        jobs = RQJob.fetch_many([job.id for job in given], connection=redis_client)
        return {job.get_status().value for job in jobs}

    try:
        wait_until(lambda: statuses() == {"finished"}, seconds=15)
    finally:
        worker.terminate()
        worker.wait(10)

    results = [result_of(job, redis_client).return_value for job in given]
    assert results[2] == 2
    assert {result["job"] for result in results if isinstance(result, dict)} == {
        job.id for job in given if job is not given[2]
    }
