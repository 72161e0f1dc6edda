"""What the tests of the examples share: processes in a folder of the test's own, and clients."""

import io
import logging
from collections.abc import Callable, Iterator
from logging import StreamHandler as LogHandler
from pathlib import Path
from typing import Any

import pytest
import redis
from fastapi.testclient import TestClient

from app import calls
from app.local.embedded import EmbeddedRedis
from app.local.ports import any_free
from app.queue.enqueue import Enqueuer
from app.settings import Settings
from examples.main import create_app
from jobs.settings import job_settings

from .evidence import Notes
from .processes import APP, HOST, TASKS, Process, Server, environment

Start = Callable[..., Any]
Logged = Callable[[], list[str]]


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Start]:
    """Start `Server` or `Process` in the test's folder; all are gone after the test."""
    started: list[Process] = []

    def run(kind: type[Process], *arguments: object, **settings: str) -> Process:
        started.append(kind(tmp_path, environment(redis_url, **settings), *arguments))
        return started[-1]

    yield run
    for process in started:
        process.kill()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run an application inside the test's process, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    job_settings.cache_clear()
    yield tmp_path
    job_settings.cache_clear()


@pytest.fixture
def client(here: Path) -> Iterator[TestClient]:
    """A client of the application in this process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with TestClient(create_app(), base_url=f"http://{HOST}:8001") as test_client:
        yield test_client
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def logged(client: TestClient) -> Logged:
    """Give the lines that the application has logged, without those of the test's own client."""
    stream = io.StringIO()
    [handler] = [each for each in logging.getLogger().handlers if type(each) is LogHandler]
    handler.setStream(stream)

    def lines() -> list[str]:
        return [line for line in stream.getvalue().splitlines() if " httpx" not in line]

    return lines


@pytest.fixture
def redis_away() -> Iterator[None]:
    """Let the tasks of this process look for Redis where there is none."""
    settings = Settings(redis_url=f"redis://{HOST}:{any_free(HOST)}")
    before = calls._enqueuer
    enqueuer = Enqueuer(settings)
    calls.connect(lambda: enqueuer)
    yield
    calls.connect(before)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    """What the processes of `start` have noted."""
    return Notes(tmp_path)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="session")
def shared_server(shared_folder: Path, redis_server: EmbeddedRedis) -> Iterator[Server]:
    """A server of two_ways.py, for the tests that leave it in peace."""
    server = Server(shared_folder, environment(redis_server.url, **TASKS), *APP)
    yield server
    server.kill()


@pytest.fixture
def server(shared_server: Server, redis_client: redis.Redis) -> Server:
    """The shared server; its queue starts empty for each test."""
    return shared_server


@pytest.fixture
def server_notes(shared_folder: Path) -> Notes:
    """What the shared server has noted."""
    return Notes(shared_folder)
