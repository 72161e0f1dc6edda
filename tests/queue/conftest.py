"""Real Redis servers, with whatever options a test needs, and workers that run in this process."""

import asyncio
import contextlib
import gc
import os
import socket
import subprocess
import threading
import time
import warnings
from typing import NamedTuple

import pytest
import redis as client
from rq import SimpleWorker

from app.catalogue import load_catalogue
from app.errors import RedisServerMissing
from app.local.embedded import find_server
from app.local.ports import any_free
from app.options import DEFAULT_OPTIONS
from app.queue.connection import connect_async
from app.queue.control import Control
from app.queue.enqueue import Enqueuer
from app.queue.fleet import Fleet
from app.queue.lookup import Lookup
from app.settings import Settings
from tests.worker.processes import wait_until


@pytest.fixture
def settings(tmp_path, redis_url):
    """Settings of a service on the real Redis, which starts empty for each test."""
    return Settings(
        redis_url=redis_url, activity_log=tmp_path / "activity.jsonl", data_dir=tmp_path
    )


@pytest.fixture(scope="session")
def redis_program():
    """The Redis server of this machine; on CI it is there."""
    try:
        return find_server().program
    except RedisServerMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def serve(redis_program, tmp_path):
    """Run a Redis server with these options of `redis-server`; returns its port."""
    processes = []

    def serve(*options, port=None):
        port = port or any_free("127.0.0.1")
        command = [redis_program, *options, "--bind", "127.0.0.1", "--dir", tmp_path]
        if "--tls-port" not in options:
            command += ["--port", str(port)]
        with (tmp_path / f"{port}.log").open("wb") as log:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        deadline = time.monotonic() + 10
        while not answers(port):
            assert processes[-1].poll() is None, (tmp_path / f"{port}.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return port

    yield serve
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(10)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def work(redis_client, *queues, **options):
    """Run what waits, in a stock worker of this process; for tests that take `signals`."""
    worker = SimpleWorker(queues or ["default"], connection=redis_client)
    # Its ear for commands often takes a second to close.
    worker.subscribe = worker.unsubscribe = lambda: None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # RQ closes no event loop of its own
        worker.work(burst=True, logging_level="ERROR", **options)
        gc.collect()


class Service(NamedTuple):
    """What the API asks about jobs, queues and workers, on one client."""

    client: client.asyncio.Redis
    lookup: Lookup
    control: Control
    fleet: Fleet


@pytest.fixture(scope="session")
def catalogue():
    """The catalogue of the tasks of these tests."""
    return load_catalogue(Settings(task_modules=("tests.queue.tasks_for_tests",)))


@pytest.fixture
def ask(settings, catalogue):
    """Ask a service on the real Redis, as in `ask(lambda service: service.lookup.job(job_id))`."""

    def ask(question, **changes):
        changed = settings.model_copy(update=changes)

        async def answer():
            async with connect_async(changed) as connected:
                lookup = Lookup(connected, catalogue, changed)
                control = Control(connected, lookup, changed)
                return await question(
                    Service(connected, lookup, control, Fleet(connected, changed))
                )

        return asyncio.run(answer())

    return ask


@pytest.fixture
def enqueue(settings):
    """Enqueue as a script does, as in `enqueue(send, JobOptions(delay=1), to="ada")`."""
    enqueuer = Enqueuer(settings)

    def enqueue(task, options=DEFAULT_OPTIONS, **args):
        return enqueuer.enqueue(task, task.arguments.parse(**args), options)

    return enqueue


def end(port):
    """End the server that listens there."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"SHUTDOWN NOSAVE\r\n")
    wait_until(lambda: not answers(port))


@pytest.fixture
def raw(redis_url):
    """A client of the real Redis whose answers are text."""
    with client.Redis.from_url(redis_url, decode_responses=True) as raw:
        yield raw


class Proxy:
    """Stands between a client and the real Redis, and loses what it is told to lose."""

    def __init__(self, target):
        self.lose_reply_to = None  # the connection breaks once this was passed on
        self.taken = []
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = [self._listener]
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Break every connection, and take no more."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._relay, args=(*pair, client), daemon=True).start()

    def _relay(self, source, sink, client):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 20):
                lost = source is client and self.lose_reply_to and self.lose_reply_to in data
                if lost:
                    self.taken.append(data)
                    client.shutdown(socket.SHUT_RDWR)
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(redis_server, redis_client):
    """A way to the real Redis, which starts empty, that can be broken."""
    proxy = Proxy(redis_server.port)
    yield proxy
    proxy.close()
