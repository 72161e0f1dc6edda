"""The API and a worker as processes of their own, and the browser as a person uses it."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from app.local.ports import any_free

ROOT = Path(__file__).parents[2]
PATIENCE = 40  # seconds
WORKERS = {
    "ours": [sys.executable, str(ROOT / "worker.py")],
    "stock": [str(Path(sys.executable).with_name("rq")), "worker", "--with-scheduler"],
}

Found = TypeVar("Found")
Kind = TypeVar("Kind", bound="Service")


def wait_for(look: Callable[[], Found | None], seconds: float = PATIENCE) -> Found:
    """Look again and again until there is something; gives it.

    A page that draws itself anew while it is looked at lets the driver fail in several ways.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := look():
                return found
        except WebDriverException:
            if time.monotonic() >= deadline:
                raise
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


class Service:
    """The API and a worker, as processes of their own."""

    def __init__(self, url: str, processes: list[subprocess.Popen[bytes]]) -> None:
        self.url = url
        self.processes = processes

    def is_ready(self) -> bool:
        assert all(process.poll() is None for process in self.processes), "one has ended"
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=1):
                return True
        except OSError:
            return False

    def enqueue(self, task: str, query: str = "", **args: object) -> str:
        posted = httpx.post(f"{self.url}/tasks/{task}{query}", json=args)
        assert posted.status_code == 202, posted.text
        return posted.json()["id"]

    def job(self, job_id: str) -> dict[str, Any]:
        return httpx.get(f"{self.url}/jobs/{job_id}").json()

    def wait_for(self, job_id: str, *statuses: str) -> None:
        wait_for(lambda: self.job(job_id)["status"] in statuses)


@contextmanager
def serving(
    redis_url: str, folder: Path, service: type[Kind], **settings: str
) -> Iterator[Callable[..., Kind]]:
    """Give what starts the API with a worker of a kind; both end with the block."""
    environment = {
        **os.environ,
        "REDIS_URL": redis_url,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        "TASK_API_ACTIVITY_LOG": str(folder / "activity.jsonl"),
        **settings,
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(kind: str = "ours") -> Kind:
        port = any_free("127.0.0.1")
        api = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port)]
        queues = ["-u", redis_url, "high", "default", "low"] if kind == "stock" else []
        commands = ([*api, "--log-level", "warning"], [*WORKERS[kind], *queues])
        started = [subprocess.Popen(each, env=environment, cwd=folder) for each in commands]
        processes.extend(started)
        begun = service(f"http://127.0.0.1:{port}", started)
        wait_for(begun.is_ready, 2 * PATIENCE)
        return begun

    try:
        yield start
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(PATIENCE)


class Page:
    """What a person does with a page, and sees."""

    def __init__(self, browser: Chrome, origin: str) -> None:
        self.browser = browser
        self.origin = origin

    def open(self, path: str) -> None:
        self.browser.get(f"{self.origin}{path}")

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector: str, text: str = "") -> Any:
        """Wait for an element to be shown, with a text in it."""
        return wait_for(
            lambda: next(
                (e for e in self.all(selector) if e.is_displayed() and text in e.text), None
            )
        )

    def script(self, code: str, *args: object) -> Any:
        return self.browser.execute_script(code, *args)

    def console(self) -> list[str]:
        """Take what the browser has complained of since it was last asked."""
        return [entry["message"] for entry in self.browser.get_log("browser")]
