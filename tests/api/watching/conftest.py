"""What the tests of waiting and of streams share: the sample tasks, and a worker of either kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.catalogue import Catalogue, load_catalogue
from app.local.embedded import EmbeddedRedis
from app.local.ports import any_free
from app.settings import Settings
from tests.worker.fixtures import start, worker_settings
from tests.worker.processes import SAMPLES, Program

__all__ = ["start", "worker_settings"]

COMMANDS = {
    "ours": (),
    "stock": ("-m", "rq.cli", "worker", "--quiet", "--with-scheduler", "high", "default", "low"),
}


@pytest.fixture
def samples() -> Catalogue:
    """The tasks of the workers' tests."""
    return load_catalogue(Settings(task_modules=(SAMPLES,)))


@pytest.fixture
def served(serve: Any, redis_url: str, samples: Catalogue) -> Any:
    """The API of the sample tasks, on the real Redis."""
    return serve(samples, redis_url=SecretStr(redis_url))


@pytest.fixture(params=COMMANDS)
def worker(request: pytest.FixtureRequest, start: Any) -> Program:
    """Each of the two workers, as a process that waits for jobs."""
    program: Program = start(*COMMANDS[request.param])
    return program


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of the test's own, which may go away."""
    server = EmbeddedRedis(tmp_path / "own", port=any_free("127.0.0.1"))
    server.start()
    yield server
    server.stop()
