"""The mounted dashboard on a real Redis, and jobs as RQ leaves them, or a forger."""

import os
import pickle
import signal
import zlib
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from rq import Queue, SimpleWorker


class Dashboard:
    """A client of what is mounted at /dashboard."""

    pages = ("/", "/0/view/queues", "/0/view/jobs", "/0/view/workers")

    def __init__(self, client):
        self.client = client

    def request(self, method, path, **options):
        return self.client.request(method, f"/dashboard{path}", **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)

    def rows(self, registry, page="8/asc/1"):
        """Give what one page of a list shows."""
        answer = self.get(f"/0/data/jobs/default/{registry}/{page}.json")
        assert answer.status_code == 200, answer.text
        return answer.json()["jobs"]

    def shown(self, job_id):
        """Give what a job's page shows."""
        assert self.get(f"/0/view/job/{job_id}").status_code == 200
        answer = self.get(f"/0/data/job/{job_id}.json")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def workers(self):
        """Give what the page of workers shows."""
        answer = self.get("/0/data/workers.json")
        assert answer.status_code == 200, answer.text
        return answer.json()["workers"]


class Forgery:
    """Pickled, it makes a file wherever it is loaded."""

    def __init__(self, canary):
        self.canary = canary
        self.data = pickle.dumps(self)

    def __reduce__(self):
        return Path.touch, (self.canary,)


class InProcessWorker(SimpleWorker):
    """RQ's worker in this process."""

    def _install_signal_handlers(self):
        """Leave pytest's own in place."""


@pytest.fixture
def make_dashboard(make_client):
    """Make a client of a dashboard on the Redis at an address."""
    return lambda url: Dashboard(make_client(dashboard=True, redis_url=SecretStr(url)))


@pytest.fixture
def dashboard(make_dashboard, redis_url):
    return make_dashboard(redis_url)


@pytest.fixture
def queue(redis_client):
    return Queue("default", connection=redis_client)


@pytest.fixture
def work(queue):
    """Run what waits in the queue, as RQ's own worker does."""

    def work():
        worker = InProcessWorker([queue], connection=queue.connection)
        worker.work(burst=True, logging_level="ERROR")

    return work


@pytest.fixture
def failed(queue, work):
    """A job that has failed."""
    job = queue.enqueue("math.sqrt", -1)
    work()
    return job


@pytest.fixture
def idle_worker(queue):
    """Make a worker that has nothing in hand."""

    def register(name="miller"):
        worker = InProcessWorker([queue], connection=queue.connection, name=name)
        worker.register_birth()
        return worker

    return register


@pytest.fixture
def start(queue, idle_worker):
    """Leave a job as it is while a worker runs it."""

    def start(job, name="miller"):
        worker = idle_worker(name)
        queue.remove(job)
        worker.prepare_execution(job)
        worker.prepare_job_execution(job)

    return start


@pytest.fixture
def forgery(tmp_path):
    return Forgery(tmp_path / "canary")


@pytest.fixture
def forge():
    """Put bytes in the place of a job's call, its result or its meta."""

    def forge(job, part, data):
        if part == "result":
            entry = {"type": 1, "return_value": b64encode(data)}
            job.connection.xadd(f"rq:results:{job.id}", entry)
        elif part == "call":
            job.connection.hset(job.key, "data", zlib.compress(data))
        else:
            job.connection.hset(job.key, "meta", data)

    return forge


@pytest.fixture
def hanging(redis_server):
    """Have Redis accept commands and answer none."""

    @contextmanager
    def hanging():
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)

    return hanging
