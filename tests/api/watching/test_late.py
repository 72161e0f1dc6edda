"""A job that does not start in time, with a stock worker that is busy, and with none at all."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.watching.conftest import COMMANDS
from tests.api.watching.requests import ask, stream

LATE = "it did not start within the time that `expires` gave it"


@pytest.fixture(params=["a busy stock worker", "no worker"])
def nobody_free(request, served, start, tmp_path):
    """Nobody who would take a job: a stock worker that is at another one, or none."""
    done = tmp_path / "done"
    if request.param == "a busy stock worker":
        start(*COMMANDS["stock"])
        _, job, _ = ask(served, "POST", "/tasks/wait_for", {"path": str(done)})
        while ask(served, "GET", f"/jobs/{job['id']}")[1]["status"] != "started":
            time.sleep(0.05)
    yield
    done.touch()


@pytest.mark.usefixtures("nobody_free")
def test_who_waits_and_who_streams_are_told_of_it(served):
    def follow(job_id):
        with stream(served, f"/jobs/{job_id}/events") as opened:
            return opened.events("end"), time.time()

    _, job, _ = ask(served, "POST", "/tasks/add?expires=1", {"left": 2})
    over = time.time() + 1
    with ThreadPoolExecutor(2) as pool:
        streamed = pool.submit(follow, job["id"])
        answer, body, _ = ask(served, "GET", f"/jobs/{job['id']}", Prefer="wait=60")
        waited_until = time.time()
        frames, streamed_until = streamed.result()

    assert (answer.status, body["status"], body["error"]["message"]) == (200, "canceled", LATE)
    assert [frame.data["status"] for frame in frames] == ["queued", "canceled", "canceled"]
    assert -0.1 < waited_until - over < 30  # half a second, on a machine that is not busy
    assert streamed_until - over < 30


@pytest.mark.usefixtures("nobody_free")
def test_who_looks_later_finds_it_canceled_wherever_they_look(served):
    jobs = [ask(served, "POST", "/tasks/add?expires=1", {"left": 2})[1] for _ in range(4)]
    time.sleep(1.1)
    looked, by_result, explained, listed = (job["id"] for job in jobs)

    assert ask(served, "GET", f"/jobs/{looked}")[1]["status"] == "canceled"
    answer, problem, _ = ask(served, "GET", f"/jobs/{by_result}/result")
    assert (answer.status, "canceled" in problem["detail"]) == (409, True)
    explanation = ask(served, "GET", f"/jobs/{explained}/explain")[1]
    assert (explanation["status"], explanation["canceled_because"]) == ("canceled", LATE)
    page = {job["id"]: job["status"] for job in ask(served, "GET", "/jobs")[1]["jobs"]}
    assert page[listed] == "canceled"
