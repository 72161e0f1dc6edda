"""What all tests share: a real Redis for workers and scripts, fakeredis for the API."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import fakeredis
import pytest
import redis
from coverage import Coverage
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app import calls
from app.catalogue import Catalogue, load_catalogue
from app.errors import RedisServerMissing
from app.local.embedded import EmbeddedRedis
from app.local.ports import any_free
from app.main import create_app
from app.settings import Settings

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGALRM)

BASE_URL = "http://127.0.0.1:8000"  # an open API answers loopback alone

MakeClient = Callable[..., TestClient]

# A forked worker inherits what coverage has counted so far, and would write all of that when it
# ends: most of a second, late in a run, in which its supervisor waits for it.
if coverage := Coverage.current():
    os.register_at_fork(before=coverage.get_data)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the developer's shell has set out of the tests."""
    for name in list(os.environ):
        if name == "REDIS_URL" or name.startswith("TASK_API_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """One real Redis for the run, on a port of its own."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), port=any_free("127.0.0.1"))
    try:
        server.start()
    except RedisServerMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture
def redis_client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    """A client of the real Redis, which starts empty for each test."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: redis.Redis) -> str:
    """The address of the real Redis, which starts empty for each test."""
    return redis_server.url


@pytest.fixture
def signals() -> Iterator[None]:
    """Give the signals back to pytest, which RQ's workers take for themselves."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.alarm(0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a service whose files are in the test's own folder."""
    return Settings(activity_log=tmp_path / "activity.jsonl", data_dir=tmp_path / "data")


@pytest.fixture(scope="session")
def shipped() -> Catalogue:
    """The catalogue of the jobs that we ship."""
    return load_catalogue(Settings())


@pytest.fixture
def make_client(settings: Settings, shipped: Catalogue) -> Iterator[MakeClient]:
    """Make a client of the API in this process: on a fakeredis of its own, or as told."""
    opened: list[TestClient] = []

    def make(
        catalogue: Catalogue = shipped, app: FastAPI | None = None, **changes: object
    ) -> TestClient:
        chosen = settings.model_copy(update={"dashboard": False, **changes})
        if app is None:
            client = None if "redis_url" in changes else fakeredis.FakeAsyncRedis()
            app = create_app(chosen, catalogue, client)
        test_client = TestClient(app, base_url=BASE_URL, raise_server_exceptions=False)
        opened.append(test_client)
        return test_client.__enter__()

    before = calls._enqueuer
    yield make
    for test_client in opened:
        test_client.__exit__(None, None, None)
    calls.connect(before)


@pytest.fixture
def api(make_client: MakeClient) -> TestClient:
    """A client of the API with the shipped jobs, on fakeredis."""
    return make_client()
