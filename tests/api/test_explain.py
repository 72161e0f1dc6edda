"""`GET /jobs/{id}/explain` over HTTP, with the jobs that we ship."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.catalogue import load_catalogue
from app.explanation import Explanation
from app.queue import keys
from app.settings import Settings

ROOT = Path(__file__).parent.parent.parent
BODY = {"older_than": 60}


@pytest.fixture
def put(real_api):
    """Enqueue a cleaning; gives the job."""

    def put(query=""):
        answer = real_api.post(f"/tasks/clean_temp_files{query}", json=BODY)
        assert answer.status_code == 202, answer.text
        return answer.json()

    return put


@pytest.fixture
def explain(real_api):
    """Follow a job's link to its explanation."""

    def explain(job):
        answer = real_api.get(job["links"]["explain"])
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == set(Explanation.model_fields)
        return answer.json()

    return explain


def test_a_job_links_to_its_explanation_which_names_what_is_missing(put, explain):
    job = put()

    found = explain(job)

    assert job["links"]["explain"] == f"/jobs/{job['id']}/explain"
    assert (found["id"], found["status"], found["position"]) == (job["id"], "queued", 0)
    assert (found["workers"], found["suspended"], found["likely_wait"]) == (0, False, None)
    assert found["summary"] == (
        f"It is the first in the queue {job['queue']!r}; no live worker serves that queue: start "
        f"one with `python worker.py {job['queue']}`."
    )


def test_a_delayed_job_without_a_scheduler_is_told_so(put, explain):
    found = explain(put("?delay=60"))

    assert (found["status"], found["scheduler"]) == ("scheduled", False)
    assert "no scheduler is alive" in found["summary"]


def test_a_canceled_job_is_explained(put, explain, real_api):
    job = put()
    real_api.post(f"/jobs/{job['id']}/cancel")

    found = explain(job)

    assert found["status"] == "canceled"
    assert found["kept_until"] > found["ended_at"]


def test_a_canceled_job_names_the_request_that_canceled_it(put, explain, real_api):
    job = put()
    answer = real_api.post(f"/jobs/{job['id']}/cancel", headers={"X-Request-ID": "nightly-42"})

    because = "a caller canceled it (request nightly-42)"
    assert answer.json()["error"] == {
        "type": "JobCanceled",
        "message": because,
        "traceback": None,
    }
    found = explain(job)
    assert (found["canceled_because"], found["error"]) == (because, None)
    assert found["summary"].endswith(f", before it had begun; {because}.")


@pytest.mark.parametrize("job_id", ["none", "01a1f85a-3932-7dd6-a2c4-0749d7a3cafa", "a:b"])
def test_a_job_that_never_existed_is_404(real_api, expect_problem, job_id):
    expect_problem(real_api.get(f"/jobs/{job_id}/explain"), 404, "unknown-job")


def test_a_job_that_cannot_be_read_says_what_it_is(put, real_api, redis_client, expect_problem):
    job = put()
    redis_client.hset(keys.job(job["id"]), "data", b"cposix\nsystem\n(Vtrue\ntR.")

    expect_problem(real_api.get(f"/jobs/{job['id']}/explain"), 500, "unreadable-job")


def test_the_job_of_a_worker_that_was_killed_is_lost_and_taken_over(
    make_client, settings, redis_client, redis_url, tmp_path, eventually
):
    (tmp_path / "explained_tasks.py").write_text(
        "import time\n"
        "from app.tasks import task\n\n"
        "@task(retries=1, backoff=0)\n"
        "def doze(seconds: float) -> None:\n"
        "    time.sleep(seconds)\n"
    )
    env = {
        **os.environ,
        "REDIS_URL": redis_url,
        "PYTHONPATH": str(tmp_path),
        "TASK_API_TASK_MODULES": "explained_tasks",
        "TASK_API_TAKEOVER_AFTER": "5",
    }
    sys.path.insert(0, str(tmp_path))
    try:
        catalogue = load_catalogue(Settings(task_modules=("explained_tasks",)))
    finally:
        sys.path.remove(str(tmp_path))
    api = make_client(catalogue, redis_url=SecretStr(redis_url), takeover_after=5)
    workers = []

    def start():
        command = [sys.executable, "worker.py", "default"]
        workers.append(subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.DEVNULL))

    try:
        start()
        job = api.post("/tasks/doze", json={"seconds": 60}).json()

        def explain():
            return api.get(job["links"]["explain"]).json()

        eventually(lambda: explain()["status"] == "started")
        running = explain()
        assert running["running"]["lost"] is False
        assert running["summary"].startswith("It runs on worker ")

        start()
        eventually(lambda: explain()["workers"] == 2)
        os.kill(workers[0].pid, signal.SIGKILL)
        seen = []
        deadline = time.monotonic() + 15
        while explain()["attempt"] == 1:
            seen.append(explain())
            assert time.monotonic() < deadline
            time.sleep(0.02)
        lost = [each for each in seen if each["running"] and each["running"]["lost"]]
        assert lost
        assert "; another worker takes it over within " in lost[0]["summary"]
        assert lost[0]["next_attempt"] == 2
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(10)
