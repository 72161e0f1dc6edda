"""What an enqueued job writes, as stock RQ reads it; and what is refused before anything is."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from rq import Queue, Retry
from rq.job import Job as RQJob

from app import calls
from app.errors import InvalidArguments, InvalidOptions
from app.options import JobOptions
from app.queue.wire import load_call
from tests.queue import tasks_for_tests as mine


def test_stock_rq_reads_the_job_that_was_written(enqueue, redis_client):
    before = datetime.now(UTC)
    job = enqueue(mine.send, JobOptions(timeout=7, result_ttl=60), to="ada")

    read = RQJob.fetch(job.id, connection=redis_client)
    assert read.func_name == "tests.queue.tasks_for_tests.send"
    assert read.func is mine.send
    assert (read.args, read.kwargs) == ((), {"to": "ada", "at": None})
    assert (read.origin, read.get_status()) == ("default", "queued")
    assert (read.timeout, read.result_ttl, read.failure_ttl) == (7, 60, 7 * 86_400)
    assert read.description == "send"
    assert before <= read.created_at.replace(tzinfo=UTC) <= datetime.now(UTC)
    assert read.enqueued_at == read.created_at
    assert (read.retries_left, read.retry_intervals) == (None, None)
    assert read.get_position() == 0
    assert [queue.name for queue in Queue.all(redis_client)] == ["default"]


def test_the_hash_is_what_stock_rq_would_have_written(enqueue, redis_client):
    job = enqueue(mine.flaky, JobOptions(retries=3), fails=0)
    stock = Queue("high", connection=redis_client).enqueue_call(
        mine.flaky.path,
        kwargs={"fails": 0},
        timeout=180,
        result_ttl=86_400,
        failure_ttl=7 * 86_400,
        description="flaky",
        retry=Retry(3, [0, 0, 0]),
    )

    ours, theirs = (redis_client.hgetall(f"rq:job:{found}") for found in (job.id, stock.id))
    for name in (b"created_at", b"enqueued_at"):
        assert len(ours.pop(name)) == len(theirs.pop(name))
    # Compressed or not: RQ reads both.
    assert load_call(ours.pop(b"data")) == load_call(theirs.pop(b"data"))
    # RQ writes what is not known yet as an empty field, and reads one that is missing the same.
    assert ours == {name: value for name, value in theirs.items() if value or name in ours}


@pytest.mark.parametrize("length", [0, 100, 511, 512, 100_000])
def test_stock_rq_reads_a_call_of_any_size(enqueue, redis_client, length):
    job = enqueue(mine.send, to="a" * length)

    assert RQJob.fetch(job.id, connection=redis_client).kwargs["to"] == "a" * length
    assert redis_client.hstrlen(f"rq:job:{job.id}", "data") < 1000


def test_the_answer_is_the_job_as_it_stands(enqueue):
    first = enqueue(mine.send, to="ada")
    second = enqueue(mine.send, to="bob")

    assert (first.position, second.position) == (0, 1)
    assert second.args == {"to": "bob", "at": None}
    assert (second.task, second.status, second.attempt) == ("send", "queued", 0)
    assert second.links.self == f"/jobs/{second.id}"


def test_a_job_for_the_front_is_before_all_others(enqueue, raw):
    first = enqueue(mine.send, to="ada")
    second = enqueue(mine.send, JobOptions(front=True), to="bob")

    assert second.position == 0
    assert raw.lrange("rq:queue:default", 0, -1) == [second.id, first.id]


def test_a_delayed_job_is_moved_to_its_queue_by_stock_rqs_scheduler(enqueue, redis_client):
    job = enqueue(mine.send, JobOptions(delay=3600, front=True), to="ada")
    queue = Queue("default", connection=redis_client)
    registry = queue.scheduled_job_registry

    assert queue.job_ids == []
    assert registry.get_job_ids() == [job.id]
    due = registry.get_scheduled_time(job.id)
    assert timedelta(0) <= due - job.run_at < timedelta(seconds=1)
    read = RQJob.fetch(job.id, connection=redis_client)
    assert (read.get_status(), read.enqueue_at_front) == ("scheduled", True)


def test_a_task_enqueues_itself_by_the_service_that_it_is_connected_to(enqueuer, redis_client):
    before = calls._enqueuer
    calls.connect(lambda: enqueuer)
    try:
        job = mine.send.with_options(queue="low").enqueue("ada")
    finally:
        calls.connect(before)

    assert Queue("low", connection=redis_client).job_ids == [job.id]


def test_a_task_enqueues_itself_by_the_environments_settings_where_no_app_is(
    monkeypatch, redis_url, redis_client, tmp_path
):
    program = "from tests.queue.tasks_for_tests import send\nprint(send.enqueue('ada').id, end='')"
    monkeypatch.setenv("REDIS_URL", redis_url)

    job_id = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    ).stdout

    assert RQJob.fetch(job_id, connection=redis_client).kwargs == {"to": "ada", "at": None}


def test_nothing_that_does_not_fit_is_written(enqueuer, redis_client):
    before = calls._enqueuer
    calls.connect(lambda: enqueuer)
    try:
        with pytest.raises(InvalidArguments):
            mine.send.enqueue(to=5)
        with pytest.raises(InvalidArguments):
            mine.returns.enqueue("\ud800")
    finally:
        calls.connect(before)

    assert redis_client.keys() == []


def test_an_unknown_queue_is_refused_before_anything_is_written(enqueue, redis_client):
    with pytest.raises(InvalidOptions):
        enqueue(mine.send, JobOptions(queue="fast"), to="ada")

    assert redis_client.keys() == []
