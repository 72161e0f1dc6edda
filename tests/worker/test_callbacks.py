"""Callbacks, webhooks, dependents and groups, by RQ's worker and by ours."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rq import Callback
from rq.group import Group
from rq.job import Dependency
from rq.queue import Queue
from rq.webhook import Webhook

from tests.worker import sample_tasks as sample


@pytest.fixture
def hooks() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """A server that takes webhooks: its address, and what it was told."""
    told: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", told
        server.shutdown()
        thread.join()


def test_a_success_is_told_to_its_callback(work, line):
    job = line.call(
        sample.add,
        kwargs={"left": 1},
        on_success=Callback(sample.say_success),
        on_failure=Callback(sample.say_failure),
    )

    work()

    assert line.said() == [f"success {job.id} 2"]
    assert line.result(job) == 2


def test_a_failure_is_told_to_its_callback(work, line):
    job = line.call(
        sample.fail,
        kwargs={"message": "m"},
        on_success=Callback(sample.say_success),
        on_failure=Callback(sample.say_failure),
    )

    work()

    assert line.said() == [f"failure {job.id} ValueError"]
    assert "ValueError: m" in line.error(job)


def test_a_callback_that_fails_fails_its_job(work, line):
    job = line.call(sample.add, kwargs={"left": 1}, on_success=Callback(sample.raise_in_callback))
    after = line.put(sample.add, 1)

    work()

    assert "RuntimeError: the callback fails" in line.error(job)
    assert line.result(after) == 2


def test_a_failure_callback_that_fails_leaves_its_job_failed(work, line):
    job = line.call(
        sample.fail, kwargs={"message": "m"}, on_failure=Callback(sample.raise_in_callback)
    )
    after = line.put(sample.add, 1)

    work()

    assert "RuntimeError: the callback fails" in line.error(job)
    assert line.result(after) == 2


def test_a_callback_may_take_longer_than_its_job(work, line):
    job = line.call(
        sample.add,
        kwargs={"left": 1},
        timeout=1,
        on_success=Callback(sample.sleep_in_callback, timeout=5),
    )

    work()

    assert line.said() == [f"slept {job.id}"]
    assert line.result(job) == 2


def test_a_callback_has_a_timeout_of_its_own(work, line):
    job = line.call(
        sample.add, kwargs={"left": 1}, on_success=Callback(sample.sleep_in_callback, timeout=1)
    )

    work()

    assert line.said() == []
    assert "JobTimeoutException" in line.error(job)


def test_timeouts_work_after_a_job_with_a_callback(work, line):
    line.call(sample.add, kwargs={"left": 1}, on_success=Callback(sample.say_success))
    job = line.put(sample.sleep, 10, timeout=1)

    work()

    assert "JobTimeoutException" in line.error(job)


@pytest.mark.parametrize(("task", "status"), [("add", "finished"), ("fail", "failed")])
def test_webhooks_are_sent_for_the_status_that_they_name(work, line, hooks, task, status):
    url, told = hooks
    arguments = {"left": 1} if task == "add" else {"message": "m"}
    job = line.call(
        getattr(sample, task),
        kwargs=arguments,
        webhooks=[Webhook(url, each, method="POST") for each in ("finished", "failed")],
    )

    work()

    assert [(each["job_id"], each["status"]) for each in told] == [(job.id, status)]


def test_a_webhook_that_cannot_be_sent_harms_nothing(work, line):
    hook = Webhook("http://127.0.0.1:9/", "finished", timeout=1)
    job = line.call(sample.add, kwargs={"left": 1}, webhooks=[hook])

    work()

    assert line.result(job) == 2


def test_dependents_run_after_what_they_depend_on(work, line, tmp_path):
    log = tmp_path / "log"
    first = line.call(sample.note, kwargs={"path": str(log), "word": "first"}, queue="low")
    second = line.call(
        sample.note, kwargs={"path": str(log), "word": "second"}, depends_on=first, queue="high"
    )
    third = line.call(sample.note, kwargs={"path": str(log), "word": "third"}, depends_on=second)

    work()

    assert log.read_text().split() == ["first", "second", "third"]
    assert line.result(third) == "third"
    assert line.redis.zcard("rq:deferred:default") == 0


def test_a_dependent_registered_while_its_parent_runs_runs_too(work, line):
    parent = line.call(sample.enqueue_dependent, kwargs={"url": line.url})

    work()

    assert line.result(parent) == "child"
    assert line.result(line.job("child")) == 2


def test_a_dependent_of_a_failed_job_stays_unless_it_allows_that(work, line):
    parent = line.put(sample.fail, "m")
    strict = line.call(sample.add, kwargs={"left": 1}, depends_on=parent)
    lenient = line.call(
        sample.add, kwargs={"left": 1}, depends_on=Dependency([parent], allow_failure=True)
    )

    work()

    assert line.again(strict).get_status() == "deferred"
    assert line.result(lenient) == 2


def test_a_dependent_for_the_front_goes_there(work, line):
    parent = line.put(sample.add, 1)
    other = line.put(sample.add, 1)
    child = line.call(
        sample.add, kwargs={"left": 1}, depends_on=Dependency([parent], enqueue_at_front=True)
    )

    work(max_jobs=1)

    assert line.waiting() == [child.id, other.id]


def test_a_dependent_waits_for_the_last_of_several(work, line):
    parents = [line.put(sample.add, number, queue="high") for number in range(3)]
    child = line.call(sample.add, kwargs={"left": 1}, depends_on=parents)

    work(max_jobs=2)
    assert line.again(child).get_status() == "deferred"
    work()

    assert line.result(child) == 2


def test_the_jobs_of_a_group_run(work, line):
    group = Group.create(line.redis, "g")
    datas = [
        Queue.prepare_data("tests.worker.sample_tasks.add", kwargs={"left": number})
        for number in range(3)
    ]
    jobs = group.enqueue_many(line.queue(), datas)

    work()

    assert [line.result(job) for job in jobs] == [1, 2, 3]
    assert line.redis.scard("rq:group:g") == 3
