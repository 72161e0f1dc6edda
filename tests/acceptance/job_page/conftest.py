"""A real service with a worker of either kind, and what a person does with a job's page."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import httpx
import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By

from app.local.ports import any_free

ROOT = Path(__file__).parents[3]
PATIENCE = 20  # seconds

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

WORKERS = {
    "ours": [sys.executable, str(ROOT / "worker.py")],
    "stock": [str(Path(sys.executable).with_name("rq")), "worker", "--with-scheduler"],
}


def wait_for(look, seconds=PATIENCE):
    """Look again and again until there is something; gives it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := look():
                return found
        except (NoSuchElementException, StaleElementReferenceException):
            pass  # the page has just drawn itself anew
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


class Service:
    """The API and a worker, as processes of their own."""

    def __init__(self, url, processes, gates):
        self.url = url
        self.processes = processes
        self.gates = gates

    def is_ready(self):
        assert all(process.poll() is None for process in self.processes), "one has ended"
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=1):
                return True
        except OSError:
            return False

    def enqueue(self, task, query="", **args):
        posted = httpx.post(f"{self.url}/tasks/{task}{query}", json=args)
        assert posted.status_code == 202, posted.text
        return posted.json()["id"]

    def climb(self, query="", **args):
        return self.enqueue("climb", query, gates=str(self.gates), **args)

    def open(self, gate):
        (self.gates / str(gate)).touch()

    def job(self, job_id):
        return httpx.get(f"{self.url}/jobs/{job_id}").json()

    def wait_for(self, job_id, status):
        wait_for(lambda: self.job(job_id)["status"] == status)


class Page:
    """What a person does with a page, and sees."""

    def __init__(self, browser, service):
        self.browser = browser
        self.origin = service.url

    def open(self, job_id):
        self.browser.get(f"{self.origin}/jobs/{job_id}")

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector, text=""):
        """Wait for an element to be shown, with a text in it."""
        return wait_for(
            lambda: next(
                (e for e in self.all(selector) if e.is_displayed() and text in e.text), None
            )
        )

    def has_status(self, status):
        self.find("[role=status]", status)

    def press(self, name):
        self.find("button", name).click()

    def buttons(self):
        return [button.text for button in self.all("button")]

    def script(self, code, *args):
        return self.browser.execute_script(code, *args)

    def console(self):
        """Take what the browser has complained of since it was last asked."""
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture
def eventually():
    """Wait until there is something."""
    return wait_for


@pytest.fixture
def run_service(tmp_path, redis_url):
    """Run the API and a worker on the real Redis, with tasks of their own."""
    (tmp_path / "shop.py").write_text(TASKS)
    gates = tmp_path / "gates"
    gates.mkdir()
    environment = {
        **os.environ,
        "REDIS_URL": redis_url,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
        "TASK_API_TASK_MODULES": "shop",
        "TASK_API_ACTIVITY_LOG": str(tmp_path / "activity.jsonl"),
    }
    processes = []

    def run(kind="ours"):
        port = any_free("127.0.0.1")
        api = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port)]
        served = ["-u", redis_url, "high", "default", "low"] if kind == "stock" else []
        processes.extend(
            subprocess.Popen(command, env=environment, cwd=tmp_path)
            for command in ([*api, "--log-level", "warning"], [*WORKERS[kind], *served])
        )
        service = Service(f"http://127.0.0.1:{port}", processes, gates)
        wait_for(service.is_ready, 2 * PATIENCE)
        return service

    yield run
    for gate in ("begin", "end", *range(1, 9)):
        (gates / str(gate)).touch()  # a stock worker waits for its job
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait(PATIENCE)


@pytest.fixture
def service(run_service):
    """The service with our own worker."""
    return run_service()


@pytest.fixture
def page(browser, service):
    """The browser, for the service with our own worker."""
    return Page(browser, service)


@pytest.fixture
def open_page(browser):
    """The browser, for any service."""
    return lambda service: Page(browser, service)
