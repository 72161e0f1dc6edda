"""A real service with a worker, and what an operator does with its dashboard in a real browser."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import httpx
import pytest
from rq import Queue
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By

from app.local.ports import any_free

ROOT = Path(__file__).parents[3]
START_SECONDS = 30
LOOK_SECONDS = 15  # the pages ask for news every 2.5
FADE_SECONDS = 0.4  # of a dialogue that comes in

TASKS = '''
"""Tasks of the dashboard's acceptance tests."""

from pathlib import Path

from app.tasks import task


@task
def greet(name: str) -> dict[str, str]:
    """Greet somebody."""
    return {"greeting": f"Hello {name}"}


@task
def copy(source: Path) -> str:
    """Read a file, or fail."""
    return source.read_text()
'''


def eventually(look, seconds=LOOK_SECONDS):
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

    def __init__(self, url, processes):
        self.url = url
        self.processes = processes

    def is_ready(self):
        assert all(process.poll() is None for process in self.processes), "one has ended"
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=1):
                return True
        except OSError:
            return False

    def run(self, task, **args):
        """Have a job run; gives its id once it has ended."""
        posted = httpx.post(f"{self.url}/tasks/{task}", json=args)
        assert posted.status_code == 202, posted.text
        job_id = posted.json()["id"]
        eventually(lambda: self.job(job_id)["status"] in {"finished", "failed"})
        return job_id

    def job(self, job_id):
        return httpx.get(f"{self.url}/jobs/{job_id}").json()


class Page:
    """What an operator does with the dashboard, and sees."""

    def __init__(self, browser, service):
        self.browser = browser
        self.origin = service.url

    def open(self, path):
        self.browser.get(f"{self.origin}/dashboard{path}")

    def open_jobs(self, registry, queue="default"):
        self.open(f"/0/view/jobs/{queue}/{registry}/8/asc/1")

    def find(self, selector, text=""):
        """Wait for an element to be shown, with a text in it."""

        def look():
            elements = self.browser.find_elements(By.CSS_SELECTOR, selector)
            return next((e for e in elements if e.is_displayed() and text in e.text), None)

        return eventually(look)

    def click(self, selector, text=""):
        def click():
            self.find(selector, text).click()
            return True

        eventually(click)

    def confirm(self):
        """Say yes to the dialogue once it has come in, and wait until it is gone."""
        eventually(self._has_dialogue)
        time.sleep(FADE_SECONDS)
        self.click("#confirmation-modal-yes")
        eventually(lambda: not self._has_dialogue())

    def count_of(self, registry, queue="default"):
        """Read a number off the table of queues."""
        row = self.find("tr[data-role=queue]", queue)
        [link] = row.find_elements(By.CSS_SELECTOR, f"a[href*='/{registry}/']")
        return int(link.text)

    def console(self):
        """Take what the browser has complained of since it was last asked."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def complains_of(self, text):
        return eventually(lambda: [line for line in self.console() if text in line])

    def script(self, code, *args):
        return self.browser.execute_script(code, *args)

    def _has_dialogue(self):
        dialogue = self.browser.find_element(By.CSS_SELECTOR, "#confirmation-modal")
        return "show" in dialogue.get_attribute("class")


@pytest.fixture(name="eventually")
def _eventually():
    return eventually


@pytest.fixture
def service(tmp_path, redis_url):
    """Run the API and a worker on the real Redis, with tasks of their own."""
    (tmp_path / "shop.py").write_text(TASKS)
    port = any_free("127.0.0.1")
    environment = {
        **os.environ,
        "REDIS_URL": redis_url,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
        "TASK_API_TASK_MODULES": "shop",
        "TASK_API_ACTIVITY_LOG": str(tmp_path / "activity.jsonl"),
    }
    commands = [
        ["-m", "uvicorn", "app.main:app", "--port", str(port), "--log-level", "warning"],
        [str(ROOT / "worker.py")],
    ]
    processes = [
        subprocess.Popen([sys.executable, *command], env=environment, cwd=tmp_path)
        for command in commands
    ]
    service = Service(f"http://127.0.0.1:{port}", processes)
    try:
        eventually(service.is_ready, START_SECONDS)
        yield service
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(20)


@pytest.fixture
def page(browser, service):
    return Page(browser, service)


@pytest.fixture
def queue(redis_client):
    """The queue that the worker serves."""
    return Queue("default", connection=redis_client)


@pytest.fixture
def unserved(redis_client):
    """A queue that no worker serves."""
    return Queue("unserved", connection=redis_client)
