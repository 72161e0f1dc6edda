"""Workers as real processes, a job that runs until it is let go, and a Redis that may go away."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr
from rq.job import Job as RQJob

from app.local.embedded import EmbeddedRedis
from app.local.ports import any_free
from app.settings import Settings
from app.tasks import Task
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import Line, line, start, worker_settings  # noqa: F401
from tests.worker.processes import Program, wait_until


class Sign:
    """What a job of `sample.wait_for` waits for; it leaves word each time that it begins to."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    @property
    def begun(self) -> int:
        """How often a job has begun to wait for it."""
        word = Path(f"{self.path}.begun")
        return len(word.read_text().split()) if word.exists() else 0

    def give(self) -> None:
        """Let the job go on."""
        Path(self.path).touch()


@pytest.fixture
def sign(tmp_path: Path) -> Sign:
    """What the test's job waits for."""
    return Sign(tmp_path / "sign")


@pytest.fixture
def running(
    start: Callable[..., Program],  # noqa: F811 - the fixture of that name
    line: Line,  # noqa: F811
    sign: Sign,
) -> Callable[..., tuple[Program, RQJob]]:
    """Start a worker, and a job on it that runs until the sign is given; gives both."""

    def running(
        *command: str, task: Task[..., Any] = sample.wait_for, **options: str
    ) -> tuple[Program, RQJob]:
        worker = start(*command, **options)
        job = line.put(task, sign.path)
        wait_until(lambda: sign.begun)
        return worker, job

    return running


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of the test's own, which it may end and start again."""
    with EmbeddedRedis(tmp_path / "redis", any_free("127.0.0.1")) as server:
        yield server


@pytest.fixture
def own_line(own_redis: EmbeddedRedis, worker_settings: Settings) -> Iterator[Line]:  # noqa: F811
    """The queues of that Redis."""
    settings = worker_settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    with redis.Redis.from_url(own_redis.url) as client:
        yield Line(client, settings)
