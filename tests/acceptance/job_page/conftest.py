"""A real service with a worker of either kind, and what a person does with a job's page."""

from pathlib import Path

import pytest

from tests.acceptance import served

TASKS = '''
"""Tasks of the page's acceptance tests."""

import logging
import time
from pathlib import Path

from app.context import progress
from app.tasks import task

logger = logging.getLogger("shop")


@task
def climb(gates: Path, steps: int = 4) -> dict[str, int]:
    """Say how far it is, and wait at each gate until its file is there."""
    for step in range(1, steps + 1):
        progress(100 * step / (steps + 1), f"step {step} of {steps}")
        logger.warning("reached gate %d", step)
        while not (gates / str(step)).exists():
            time.sleep(0.02)
    return {"height": steps}


@task
def echo(text: str, gates: Path) -> dict[str, str]:
    """Say a text in every way that a task has."""
    while not (gates / "begin").exists():
        time.sleep(0.02)
    progress(50, text)
    print(text)
    logger.error(text)
    while not (gates / "end").exists():
        time.sleep(0.02)
    return {text: text}


@task
def fail(text: str) -> None:
    """Fail with a text."""
    raise ValueError(text)
'''


class Service(served.Service):
    """The service, whose jobs wait at gates."""

    gates: Path

    def climb(self, query="", **args):
        return self.enqueue("climb", query, gates=str(self.gates), **args)

    def open(self, gate):
        (self.gates / str(gate)).touch()


class Page(served.Page):
    """What a person does with a job's page, and sees."""

    def open(self, job_id):
        super().open(f"/jobs/{job_id}")

    def has_status(self, status):
        self.find("[role=status]", status)

    def press(self, name):
        self.find("button", name).click()

    def buttons(self):
        return [button.text for button in self.all("button")]


@pytest.fixture
def eventually():
    """Wait until there is something."""
    return served.wait_for


@pytest.fixture
def run_service(tmp_path, redis_url):
    """Run the API and a worker on the real Redis, with tasks of their own."""
    (tmp_path / "shop.py").write_text(TASKS)
    gates = tmp_path / "gates"
    gates.mkdir()

    def run(kind="ours"):
        service = start(kind)
        service.gates = gates
        return service

    with served.serving(redis_url, tmp_path, Service, TASK_API_TASK_MODULES="shop") as start:
        yield run
        for gate in ("begin", "end", *range(1, 9)):
            (gates / str(gate)).touch()  # a stock worker waits for its job


@pytest.fixture
def service(run_service):
    """The service with our own worker."""
    return run_service()


@pytest.fixture
def page(browser, service):
    """The browser, for the service with our own worker."""
    return Page(browser, service.url)


@pytest.fixture
def open_page(browser):
    """The browser, for any service."""
    return lambda service: Page(browser, service.url)
