"""Enqueueing on a real Redis: what is written, what stock RQ makes of it, and what fails whole."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from rq import Queue, Retry
from rq.job import Job as RQJob

from app import calls
from app.errors import InvalidArguments, InvalidOptions, QueueFull, RedisUnavailable
from app.options import DEFAULT_OPTIONS, JobOptions
from app.queue.enqueue import Enqueuer
from app.queue.wire import load_call
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import end, wait_until, work


@pytest.fixture
def enqueuer(settings):
    return Enqueuer(settings)


@pytest.fixture(params=["blocking", "async"])
def enqueue(request, settings):
    """Enqueue as a script does, or as an event loop does; by the test's enqueuer, or another."""
    loop = asyncio.new_event_loop()
    opened = []

    def enqueue(task, options=DEFAULT_OPTIONS, by=None, **args):
        if by is None:
            by = opened[0] if opened else Enqueuer(settings)
        opened.append(by)
        reduced = task.arguments.parse(**args)
        if request.param == "blocking":
            return by.enqueue(task, reduced, options)
        return loop.run_until_complete(by.aenqueue(task, reduced, options))

    yield enqueue
    for each in set(opened):
        loop.run_until_complete(each.aclose())
    loop.close()


# What is written.


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


# What stock RQ makes of it.


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
            assert time.monotonic() - begun < 5
            time.sleep(0.05)
            work(redis_client, "high", with_scheduler=True)
        assert read.get_status() == "finished"
        assert 1 <= time.monotonic() - begun < 4  # RQ cuts a time to the second
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
        cwd=Path(__file__).parents[2],
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


# A full queue.


@pytest.fixture
def small(settings):
    return Enqueuer(settings.model_copy(update={"max_queue_length": 3}))


def test_a_full_queue_takes_no_more_until_there_is_room(enqueue, small, redis_client):
    for _ in range(3):
        enqueue(mine.send, by=small, to="ada")

    for _ in range(2):
        with pytest.raises(QueueFull, match="'default' holds 3 jobs"):
            enqueue(mine.send, by=small, to="ada")
    assert redis_client.llen("rq:queue:default") == 3
    assert len(redis_client.keys("rq:job:*")) == 3

    redis_client.lpop("rq:queue:default")
    enqueue(mine.send, by=small, to="ada")
    with pytest.raises(QueueFull):
        enqueue(mine.send, by=small, to="ada")


def test_a_full_queue_stops_no_other(enqueue, small):
    for _ in range(3):
        enqueue(mine.send, by=small, to="ada")

    assert enqueue(mine.send, JobOptions(queue="low"), by=small, to="ada").queue == "low"


def test_a_queue_that_somebody_else_has_filled_is_found_out(enqueue, small, redis_client):
    redis_client.rpush("rq:queue:default", *range(50))

    with contextlib.suppress(QueueFull):  # else it tells how long the queue is
        enqueue(mine.send, by=small, to="ada")
    with pytest.raises(QueueFull):
        enqueue(mine.send, by=small, to="ada")

    assert redis_client.llen("rq:queue:default") <= 51


# What fails, fails whole.


def test_a_queue_whose_key_is_something_else_leaves_nothing_half_there(enqueue, redis_client):
    redis_client.set("rq:queue:default", "not a list")

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        enqueue(mine.send, to="ada")

    assert redis_client.keys("rq:job:*") == []
    assert enqueue(mine.send, JobOptions(queue="low"), to="ada").position == 0


def test_a_registry_whose_key_is_something_else_leaves_nothing_half_there(enqueue, redis_client):
    redis_client.set("rq:scheduled:default", "not a set")

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        enqueue(mine.send, JobOptions(delay=60), to="ada")

    assert redis_client.keys("rq:job:*") == []


@pytest.mark.parametrize(
    "options", [{}, {"front": True}, {"delay": 60}], ids=["queued", "at the front", "scheduled"]
)
def test_an_index_whose_key_is_something_else_leaves_nothing_half_there(
    enqueue, redis_client, options
):
    redis_client.set("task-api:jobs:label:mine", "not a set")

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        enqueue(mine.send, JobOptions(label=["mine"], **options), to="ada")

    left = set(redis_client.keys())
    assert left == {
        b"rq:queues",
        b"task-api:events",
        b"task-api:indexes",
        b"task-api:jobs:label:mine",
    }


def test_one_job_that_redis_refuses_takes_none_of_the_others_with_it(enqueuer, redis_client):
    redis_client.set("rq:queue:default", "not a list")

    async def both():
        given = [
            enqueuer.aenqueue(mine.send, {"to": "ada"}, JobOptions(queue=queue))
            for queue in ("low", "default") * 20
        ]
        answers = await asyncio.gather(*given, return_exceptions=True)
        await enqueuer.aclose()
        return answers

    answers = asyncio.run(both())

    assert all(isinstance(answer, RedisUnavailable) for answer in answers[1::2])
    assert {answer.id for answer in answers[::2]} == {
        found.decode() for found in redis_client.lrange("rq:queue:low", 0, -1)
    }
    assert len(redis_client.keys("rq:job:*")) == 20


def test_a_redis_that_is_full_refuses_and_has_taken_nothing(enqueue, redis_client):
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisUnavailable) as refused:
            enqueue(mine.send, to="ada")
    finally:
        redis_client.config_set("maxmemory", 0)

    assert redis_client.keys() == []
    assert enqueue(mine.send, to="ada").position == 0
    assert "'maxmemory'" in str(refused.value)


# A Redis that is away.


def test_a_redis_that_is_away_is_told_soon(enqueue, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (1, silent.getsockname()[1]):
            away = Enqueuer(
                settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}")})
            )
            begun = time.monotonic()
            with pytest.raises(RedisUnavailable, match="Redis does not answer"):
                enqueue(mine.send, by=away, to="ada")
            assert time.monotonic() - begun < 2  # where redis-py by itself takes four


def test_a_job_whose_confirmation_is_lost_is_refused_and_not_sent_again(
    enqueue, settings, proxy, redis_client
):
    by = Enqueuer(settings.model_copy(update={"redis_url": SecretStr(proxy.url)}))
    enqueue(mine.send, by=by, to="ada")
    proxy.lose_reply_to = b"PUSH"

    with pytest.raises(RedisUnavailable):
        enqueue(mine.send, by=by, to="bob")

    proxy.lose_reply_to = None
    assert len(proxy.taken) == 1
    # It may have been taken all the same, but it was not taken twice; and the next one is.
    third = enqueue(mine.send, by=by, to="eve")
    kwargs = [
        RQJob.fetch(found.decode(), connection=redis_client).kwargs["to"]
        for found in redis_client.lrange("rq:queue:default", 0, -1)
    ]
    assert kwargs in (["ada", "bob", "eve"], ["ada", "eve"])
    assert third.position == len(kwargs) - 1


def test_it_works_again_by_itself_once_redis_is_back(enqueue, settings, serve):
    port = serve()
    by = Enqueuer(settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}")}))
    enqueue(mine.send, by=by, to="ada")
    end(port)

    with pytest.raises(RedisUnavailable):
        enqueue(mine.send, by=by, to="ada")

    serve(port=port)
    assert enqueue(mine.send, by=by, to="ada").position == 0


# Many at once.


def test_many_at_once_are_all_written_in_the_order_that_they_were_given(enqueuer, raw):
    async def many():
        given = [enqueuer.aenqueue(mine.send, {"to": str(n)}, DEFAULT_OPTIONS) for n in range(1200)]
        jobs = await asyncio.gather(*given)
        await enqueuer.aclose()
        return jobs

    jobs = asyncio.run(many())

    assert raw.lrange("rq:queue:default", 0, -1) == [job.id for job in jobs]
    assert [job.position for job in jobs] == list(range(1200))


def test_a_caller_that_goes_away_takes_no_other_with_it(enqueuer, raw):
    async def scenario():
        given = [
            asyncio.create_task(enqueuer.aenqueue(mine.send, {"to": str(n)}, DEFAULT_OPTIONS))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        for each in given[::2]:
            each.cancel()
        answers = await asyncio.gather(*given, return_exceptions=True)
        await enqueuer.aclose()
        return answers

    answers = asyncio.run(scenario())

    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    kept = [answer.id for answer in answers[1::2]]
    assert [found for found in raw.lrange("rq:queue:default", 0, -1) if found in kept] == kept


def test_one_enqueuer_serves_many_threads(enqueuer, raw):
    def some(_):
        return [enqueuer.enqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS).id for _ in range(25)]

    with ThreadPoolExecutor(8) as pool:
        ids = [job_id for found in pool.map(some, range(8)) for job_id in found]

    assert sorted(raw.lrange("rq:queue:default", 0, -1)) == sorted(ids)
    assert len(set(ids)) == 200


def test_one_enqueuer_serves_event_loops_one_after_another_and_at_once(enqueuer, raw):
    async def some():
        jobs = await asyncio.gather(
            *(enqueuer.aenqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS) for _ in range(25))
        )
        await enqueuer.aclose()
        return [job.id for job in jobs]

    ids = asyncio.run(some()) + asyncio.run(some())
    with ThreadPoolExecutor(4) as pool:
        ids += [
            job_id
            for found in pool.map(lambda _: asyncio.run(some()), range(4))
            for job_id in found
        ]

    assert sorted(raw.lrange("rq:queue:default", 0, -1)) == sorted(ids)
    assert len(set(ids)) == 150


def test_the_event_loop_is_not_blocked_while_redis_says_nothing(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = SecretStr(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        by = Enqueuer(settings.model_copy(update={"redis_url": url}))

        async def scenario():
            ticks = 0
            job = asyncio.create_task(by.aenqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS))
            while not job.done():
                ticks += 1
                await asyncio.sleep(0.01)
            await by.aclose()
            return ticks, job.exception()

        ticks, error = asyncio.run(scenario())

    assert isinstance(error, RedisUnavailable)
    assert ticks > 20


def test_closing_waits_for_what_was_given_before(enqueuer, raw):
    async def scenario():
        given = [
            asyncio.create_task(enqueuer.aenqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS))
            for _ in range(100)
        ]
        await asyncio.sleep(0)
        await enqueuer.aclose()
        length = await asyncio.to_thread(raw.llen, "rq:queue:default")
        await asyncio.gather(*given)
        return length

    assert asyncio.run(scenario()) == 100


def test_an_enqueuer_that_was_closed_opens_again(enqueuer, raw):
    async def scenario():
        await enqueuer.aclose()  # nothing was given: nothing to wait for
        for _ in range(2):
            await enqueuer.aenqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS)
            await enqueuer.aclose()

    asyncio.run(scenario())

    assert raw.llen("rq:queue:default") == 2


# Many calls of one task.


@pytest.fixture(params=["blocking", "async"])
def enqueue_many(request, enqueuer):
    """Enqueue calls of one task, as a script does or as an event loop does."""

    def enqueue_many(tos, options=DEFAULT_OPTIONS, by=enqueuer):
        many = [mine.send.arguments.parse(to=to) for to in tos]
        if request.param == "blocking":
            return by.enqueue_many(mine.send, many, options)

        async def scenario():
            try:
                return await by.aenqueue_many(mine.send, many, options)
            finally:
                await by.aclose()

        return asyncio.run(scenario())

    return enqueue_many


def test_many_calls_are_enqueued_in_their_order(enqueue_many, raw, redis_client):
    first = enqueue_many(["zero"])
    jobs = enqueue_many([str(n) for n in range(2500)])

    ids = [job.id for job in jobs]
    assert raw.lrange("rq:queue:default", 0, -1) == [first[0].id, *ids]
    assert [job.position for job in jobs] == list(range(1, 2501))
    read = RQJob.fetch_many([ids[0], ids[-1]], connection=redis_client)
    assert [job.kwargs["to"] for job in read] == ["0", "2499"]


def test_many_calls_for_the_front_keep_their_order(enqueue_many, raw):
    last = enqueue_many(["last"])
    jobs = enqueue_many(["a", "b", "c"], JobOptions(front=True))

    assert raw.lrange("rq:queue:default", 0, -1) == [job.id for job in jobs + last]
    assert [job.position for job in jobs] == [0, 1, 2]


def test_many_delayed_calls_are_scheduled(enqueue_many, raw):
    jobs = enqueue_many(["a", "b", "c"], JobOptions(delay=60))

    assert sorted(raw.zrange("rq:scheduled:default", 0, -1)) == sorted(job.id for job in jobs)
    assert {job.status for job in jobs} == {"scheduled"}
    assert raw.exists("rq:queue:default") == 0


def test_no_calls_are_no_trouble(enqueue_many, redis_client):
    assert enqueue_many([]) == []
    assert redis_client.keys() == []


def test_many_calls_that_redis_refuses_leave_nothing_half_there(enqueue_many, redis_client):
    redis_client.set("rq:queue:default", "not a list")

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        enqueue_many([str(n) for n in range(50)])

    assert redis_client.keys("rq:job:*") == []


def test_many_calls_stop_where_the_queue_is_full(enqueue_many, small, raw):
    enqueue_many(["a", "b", "c"], by=small)

    with pytest.raises(QueueFull):
        enqueue_many(["d"], by=small)

    assert raw.llen("rq:queue:default") == 3


def test_many_calls_are_all_checked_before_the_first_is_enqueued(enqueuer, redis_client):
    before = calls._enqueuer
    calls.connect(lambda: enqueuer)
    try:
        with pytest.raises(InvalidArguments):
            mine.send.enqueue_many([{"to": "ada"}, {"to": 5}])
        jobs = mine.send.with_options(queue="low").enqueue_many([{"to": "ada"}, {"to": "bob"}])
    finally:
        calls.connect(before)

    assert Queue("default", connection=redis_client).job_ids == []
    assert Queue("low", connection=redis_client).job_ids == [job.id for job in jobs]


def test_many_calls_are_enqueued_from_an_event_loop(enqueuer, redis_client):
    async def scenario():
        try:
            return await mine.send.aenqueue_many([{"to": "ada"}, {"to": "bob"}])
        finally:
            await enqueuer.aclose()

    before = calls._enqueuer
    calls.connect(lambda: enqueuer)
    try:
        jobs = asyncio.run(scenario())
    finally:
        calls.connect(before)

    assert Queue("default", connection=redis_client).job_ids == [job.id for job in jobs]
