"""The attempts that a job counts."""

from tests.api.jobs.sample_tasks import fail, give_up, recover
from tests.api.jobs.steps import enqueue, look, set_status


def test_attempts_count_the_executions_begun(api, work, redis_client):
    job = enqueue(api, recover, at=3)
    assert (job["attempt"], job["max_attempts"]) == (0, 4)

    work()

    done = look(api, job)
    assert (done["status"], done["result"]) == ("finished", 3)
    assert (done["attempt"], done["max_attempts"]) == (3, 4)


def test_a_running_job_counts_its_attempt(api, redis_client):
    job = enqueue(api, fail)

    set_status(redis_client, job, "started")

    started = look(api, job)
    assert (started["status"], started["attempt"]) == ("started", 1)
    assert started["worker"] == "worker-1"


def test_a_manual_retry_starts_the_attempts_anew_and_counts_on(api, work):
    job = enqueue(api, fail)
    work()
    failed = look(api, job)
    assert (failed["status"], failed["attempt"], failed["max_attempts"]) == ("failed", 3, 3)

    retried = api.post(f"/jobs/{job['id']}/retry").json()
    assert (retried["status"], retried["attempt"], retried["max_attempts"]) == ("queued", 3, 6)
    work()

    failed = look(api, job)
    assert (failed["status"], failed["attempt"], failed["max_attempts"]) == ("failed", 6, 6)


def test_a_job_whose_task_gave_up_has_made_one_attempt(api, work):
    job = enqueue(api, give_up)

    work()

    failed = look(api, job)
    assert (failed["status"], failed["error"]["type"]) == ("failed", "KeyError")
    assert failed["attempt"] == 1
