"""Many jobs, and the pages of a list of them on a real Redis."""

import asyncio
import functools
import time

import pytest
from rq import Queue
from rq.job import Job as RQJob

from app.job_list import JobQuery
from app.options import JobOptions
from app.queue import keys
from app.queue.connection import connect_async
from app.queue.enqueue import Enqueuer
from app.queue.lists.listing import Listing
from app.queue.lookup import Lookup
from tests.queue import tasks_for_tests as mine


@pytest.fixture
def many(settings):
    """Enqueue so many jobs of a task at once."""
    enqueuer = Enqueuer(settings)

    def many(count, options=None, task=mine.send):
        args = [task.arguments.parse(**({"to": "ada"} if task is mine.send else {}))] * count
        return enqueuer.enqueue_many(task, args, options or JobOptions())

    return many


@pytest.fixture
def page_by(catalogue):
    """Ask a service with these settings for one page."""

    async def ask(settings, query):
        async with connect_async(settings) as client:
            lookup = Lookup(client, catalogue, settings)
            try:
                return await Listing(client, lookup, catalogue, settings).page(query)
            finally:
                await lookup.aclose()

    with asyncio.Runner() as runner:
        yield lambda settings, **query: runner.run(ask(settings, JobQuery(**query)))


@pytest.fixture
def page(settings, page_by):
    """Ask for one page, or with `whole` for all of them, as a caller follows `next`."""
    return functools.partial(page_by, settings)


@pytest.fixture
def whole(page):
    def whole(**query):
        found, cursor, pages = [], None, 0
        while True:
            answer = page(**query, cursor=cursor)
            assert len(answer.jobs) <= query.get("limit", 50)
            found += answer.jobs
            cursor, pages = answer.next, pages + 1
            assert pages < 1000
            if cursor is None:
                return found

    return whole


@pytest.fixture
def ids(whole):
    return lambda **query: [job.id for job in whole(**query)]


def labels(*names):
    return JobOptions(label=names)


def begin(redis_client, job_id):
    """Take a job as RQ's worker does."""
    job = RQJob.fetch(job_id, redis_client)
    Queue(job.origin, connection=redis_client).remove(job)
    with redis_client.pipeline() as pipeline:
        job.prepare_for_execution("a-worker", pipeline)
        pipeline.zadd(keys.registry("started", job.origin), {f"{job_id}:x": time.time() + 60})
        pipeline.execute()
