"""The API on a real Redis, and RQ's stock worker in this process."""

import signal

import pytest
import rq
from pydantic import SecretStr

from tests.api.jobs.sample_tasks import CATALOGUE

QUEUES = ("high", "default", "low")


@pytest.fixture
def api(make_client, redis_url):
    return make_client(CATALOGUE, redis_url=SecretStr(redis_url))


class QuickWorker(rq.SimpleWorker):
    """RQ's stock worker, without the thread that takes commands, whose end takes a second."""

    def subscribe(self):
        pass

    def unsubscribe(self):
        pass


@pytest.fixture
def work(redis_client):
    """Run the jobs that wait, and those that come of them, with RQ's stock worker."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def burst():
        worker = QuickWorker(QUEUES, connection=redis_client)
        worker.work(burst=True, logging_level="CRITICAL")
        for number, handler in handlers.items():  # which the worker has replaced
            signal.signal(number, handler)

    return burst
