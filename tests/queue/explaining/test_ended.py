"""Why a job ended as it did."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rq import Retry
from rq.job import Job as RQJob

from app.options import JobOptions
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import wait_until, work
from tests.queue.explaining.conftest import TASKS

ROOT = Path(__file__).parents[3]


@pytest.mark.usefixtures("signals")
class TestEnded:
    def test_a_finished_job_says_how_long_it_took_and_how_long_it_is_kept(
        self, explain, enqueue, redis_client
    ):
        job = enqueue(mine.send, JobOptions(result_ttl=500), to="ada")
        work(redis_client)

        found = explain(job.id)

        assert found.summary == (
            f"It finished at {found.ended_at:%Y-%m-%dT%H:%M:%SZ} after less than a second, in "
            "attempt 1 of 1."
        )
        kept = found.kept_until - datetime.now(UTC)
        assert timedelta(seconds=490) < kept <= timedelta(seconds=500)
        assert (found.next_attempt, found.running, found.error) == (None, None, None)

    def test_a_failed_job_says_why_and_what_was_used(self, explain, enqueue, redis_client):
        job = enqueue(mine.flaky, fails=9)
        work(redis_client, "high")

        found = explain(job.id)

        assert found.summary == (
            f"It failed at {found.ended_at:%Y-%m-%dT%H:%M:%SZ} in attempt 3 of 3: ConnectionError: "
            "attempt 3."
        )
        assert (found.error.type, found.error.message) == ("ConnectionError", "attempt 3")
        assert found.error.traceback is None

    def test_a_job_that_gave_up_says_what_was_left(self, explain, enqueue, redis_client):
        job = enqueue(mine.hopeless)
        work(redis_client)

        assert explain(job.id).summary.endswith(
            " in attempt 1 of 6: Hopeless: not today; 5 more attempts would have been left, but "
            "the task's `give_up_on` names Hopeless."
        )
        assert explain(job.id).gave_up == "the task's `give_up_on` names Hopeless"

    def test_a_job_that_gave_up_and_is_run_again_says_so_no_more(
        self, explain, ask, enqueue, redis_client
    ):
        job = enqueue(mine.hopeless)
        work(redis_client)
        ask(lambda service: service.control.retry(job.id))

        assert redis_client.hget(f"rq:job:{job.id}", "gave_up") is None
        assert explain(job.id).gave_up is None

    def test_a_stopped_job_says_so(self, explain, ask, enqueue, redis_url, tmp_path):
        job = enqueue(mine.wait, seconds=30, begun=tmp_path / "begun")
        program = Path(sys.executable).parent / "rq"
        worker = subprocess.Popen(
            [program, "worker", "--quiet", "--burst", "--url", redis_url, "default"], cwd=ROOT
        )
        wait_until((tmp_path / "begun").exists, seconds=20)
        ask(lambda service: service.control.stop(job.id))
        assert worker.wait(20) == 0

        found = explain(job.id)

        assert found.status == "stopped"
        assert found.error.message == "Job stopped by user, work-horse terminated."
        assert found.summary == (
            f"It was stopped at {found.ended_at:%Y-%m-%dT%H:%M:%SZ} while it ran, in attempt 1 of "
            "1: JobStopped: Job stopped by user, work-horse terminated."
        )

    def test_a_stopped_job_says_by_whom(self, explain, ask, enqueue, redis_url, tmp_path):
        job = enqueue(mine.wait, seconds=30, begun=tmp_path / "begun")
        program = Path(sys.executable).parent / "rq"
        worker = subprocess.Popen(
            [program, "worker", "--quiet", "--burst", "--url", redis_url, "default"], cwd=ROOT
        )
        wait_until((tmp_path / "begun").exists, seconds=20)
        ask(lambda service: service.control.stop(job.id, "request 8f0c"))
        assert worker.wait(20) == 0

        assert explain(job.id).summary.endswith(
            " while it ran, in attempt 1 of 1: JobStopped: Job stopped by user, work-horse "
            "terminated (request 8f0c)."
        )

    def test_a_canceled_job_says_when_and_why(self, explain, ask, enqueue):
        job = enqueue(mine.send, to="ada")
        ask(lambda service: service.control.cancel(job.id, "a caller canceled it (request 8f0c)"))

        found = explain(job.id)

        assert found.summary == (
            f"It was canceled at {found.ended_at:%Y-%m-%dT%H:%M:%SZ}, before it had begun; a "
            "caller canceled it (request 8f0c)."
        )
        assert found.canceled_because == "a caller canceled it (request 8f0c)"
        assert found.error is None

    def test_a_job_that_rqs_own_code_canceled_says_that_nobody_knows_by_whom(
        self, explain, enqueue, redis_client
    ):
        job = enqueue(mine.send, to="ada")
        RQJob.fetch(job.id, connection=redis_client).cancel()

        assert explain(job.id).summary.endswith(", before it had begun; by whom is not recorded.")

    def test_a_job_canceled_between_attempts_says_after_which(
        self, explain, ask, stock, redis_client
    ):
        job = stock.enqueue_call(
            f"{TASKS}.hopeless", kwargs={"after": 9}, retry=Retry(1, interval=600)
        )
        work(redis_client)
        ask(lambda service: service.control.cancel(job.id))

        assert ", after attempt 1 of 2; a caller canceled it." in explain(job.id).summary
