"""What the tests of the shipped jobs share: settings, a job to run in, a storage of images."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app import context
from app.tasks import Task
from jobs.settings import job_settings

Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Set settings as an operator does: `configure(TEMP_DIR=path)` for TASK_API_TEMP_DIR."""

    def set_in_environment(**settings: object) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"TASK_API_{name}", str(value))
        job_settings.cache_clear()

    job_settings.cache_clear()
    yield set_in_environment
    job_settings.cache_clear()


@dataclass
class FakeJob:
    """A job as app.context.RunningJob, in whose place a test calls a task as the worker does."""

    id: str = "4f1c"
    attempt: int = 1
    given_up: bool = False
    claimed: bool = False

    def claim(self, judge: Callable[[BaseException], str | None]) -> bool:
        first, self.claimed = not self.claimed, True
        return first

    def begin(self, *, log: bool) -> None:
        pass

    def end(self) -> None:
        pass

    def is_for_queue(self, value: object) -> bool:
        return False


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> FakeJob:
    """Let the test run inside a job; the first task called is the job's own."""
    running = FakeJob()
    monkeypatch.setattr(context, "_source", lambda: running)
    perform, perform_async = Task._perform, Task._perform_async

    def judged(task: Task[..., Any], *call: Any) -> Any:
        try:
            return perform(task, *call)
        except BaseException as error:
            running.given_up = task.final_by(error) is not None
            raise

    async def judged_async(task: Task[..., Any], *call: Any) -> Any:
        try:
            return await perform_async(task, *call)
        except BaseException as error:
            running.given_up = task.final_by(error) is not None
            raise

    # A worker asks for the task's judgement; here nobody else does.
    monkeypatch.setattr(Task, "_perform", judged)
    monkeypatch.setattr(Task, "_perform_async", judged_async)
    return running


def picture() -> bytes:
    """Make a PNG file of 40 x 20 red pixels."""
    file = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def storage(tmp_path: Path, configure: Configure) -> Path:
    """Give a storage's root with an image in it, and put two beside it that are out of reach."""
    root = tmp_path / "storage"
    for place in (root, tmp_path, tmp_path / "storage-of-others"):
        place.mkdir(exist_ok=True)
        (place / "cat.png").write_bytes(picture())
    (tmp_path / "cat.png").rename(tmp_path / "secret.png")
    configure(STORAGE_URL=root)
    return root
