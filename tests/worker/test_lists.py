"""Lists of what workers have done, RQ's own and ours; and the sweep that ours make on the way."""

import asyncio
import time

import pytest

from app.catalogue import load_catalogue
from app.job_list import JobQuery
from app.queue import keys
from app.queue.connection import connect_async
from app.queue.job_id import new_job_id
from app.queue.lists.listing import Listing
from app.queue.lookup import Lookup
from app.worker import pruning
from app.worker.pruning import LONGEST_REST, SHORTEST_REST, Pruning
from tests.worker import sample_tasks as sample


@pytest.fixture
def listed(worker_settings):
    """List the jobs that fit."""
    catalogue = load_catalogue(worker_settings)

    async def ask(query):
        async with connect_async(worker_settings) as client:
            lookup = Lookup(client, catalogue, worker_settings)
            try:
                return await Listing(client, lookup, catalogue, worker_settings).page(query)
            finally:
                await lookup.aclose()

    return lambda **query: asyncio.run(ask(JobQuery(**query))).jobs


def test_a_worker_s_jobs_are_listed_by_what_became_of_them(line, work, listed):
    added = line.put(sample.add, 1, label=("a",))
    failed = line.put(sample.fail, "no luck", retries=0, label=("a", "b"), queue="low")
    later = line.put(sample.add, 2, delay=3600)
    work()

    assert [job.id for job in listed()] == [later.id, failed.id, added.id]
    [finished] = listed(status=("finished",))
    assert (finished.id, finished.result) == (added.id, 2)
    [found] = listed(status=("failed",), label=("a",), queue="low")
    assert (found.id, found.error.type, found.error.message) == (failed.id, "ValueError", "no luck")
    assert found.error.traceback is None
    assert [job.id for job in listed(status=("scheduled",), task="add")] == [later.id]
    assert listed(status=("queued", "started")) == []


def test_a_result_that_is_not_kept_leaves_nothing_in_a_list(line, work, listed, redis_client):
    line.put(sample.add, 1, result_ttl=0)
    work()

    assert listed() == []
    assert redis_client.zcard(keys.JOBS) == 0


def test_our_worker_takes_what_is_gone_out_of_the_indexes(line, start, redis_client):
    kept = line.put(sample.add, 1, delay=3600)
    with redis_client.pipeline() as pipeline:
        for _ in range(1500):
            for index in (keys.JOBS, keys.jobs_of_task("add")):
                pipeline.zadd(index, {new_job_id(): 0})
        pipeline.execute()

    start("default")

    deadline = time.monotonic() + 15
    indexes = (keys.JOBS, keys.jobs_of_task("add"))
    while any(redis_client.zrange(each, 0, -1) != [kept.id.encode()] for each in indexes):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_idle_worker_asks_every_ten_seconds(redis_client):
    assert Pruning(redis_client).sweep() == LONGEST_REST


def test_a_worker_with_much_to_sweep_rests_between_two_calls(redis_client):
    with redis_client.pipeline() as pipeline:
        for _ in range(3000):
            pipeline.zadd(keys.JOBS, {new_job_id(): 0})
        pipeline.execute()
    duty = Pruning(redis_client)

    assert [duty.sweep() for _ in range(3)] == [SHORTEST_REST] * 2 + [LONGEST_REST]
    assert redis_client.zcard(keys.JOBS) == 0


def test_the_tasks_are_named_from_time_to_time(redis_client, monkeypatch):
    index = keys.jobs_of_task(sample.add.name)
    monkeypatch.setattr(pruning, "NAMED_APART", 0.3)
    duty = Pruning(redis_client)
    duty.sweep()
    redis_client.zadd(index, {new_job_id(): 0})

    duty.sweep()
    assert redis_client.exists(index) == 1
    time.sleep(0.31)
    duty.sweep()
    assert redis_client.exists(index) == 0
