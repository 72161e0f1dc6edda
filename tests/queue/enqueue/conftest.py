"""Enqueueing by an enqueuer of the test's own, blocking and on an event loop."""

import asyncio

import pytest

from app.options import DEFAULT_OPTIONS
from app.queue.enqueue import Enqueuer


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


@pytest.fixture
def small(settings):
    return Enqueuer(settings.model_copy(update={"max_queue_length": 3}))
