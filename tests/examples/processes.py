"""Real programs for the tests of the examples: started, asked, and ended in every way there is."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from app.local import sessions
from app.local.ports import any_free

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
PATIENCE = 60  # seconds; a slow machine under coverage

# tests/examples/two_ways.py, and a worker for its task.
APP = ("-m", "uvicorn", "two_ways:app")
WORKER = ("-m", "worker", "default")
TASKS = {"TASK_API_TASK_MODULES": "two_ways"}


def wait_until(true: Callable[[], object], why: Callable[[], object] = lambda: "") -> None:
    """Wait for what must come; fail with the reason that `why` gives."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)


def environment(redis_url: str, **settings: str) -> dict[str, str]:
    """Give the environment of a process: this one's, without a developer's own settings."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TASK_API_")},
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
        "REDIS_URL": redis_url,
        **settings,
    }


class Process:
    """A program of the project, run in a folder, its output in a file there."""

    def __init__(self, folder: Path, env: Mapping[str, str], *arguments: object) -> None:
        self._log_file = folder / f"{time.monotonic_ns()}.log"
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                cwd=folder,
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log_file.read_text(errors="replace")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def terminate(self) -> None:
        """Ask for the end, as a deployment does."""
        self._process.send_signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """Ask for the end, as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end, and said:\n{self.log}") from None

    def kill(self) -> None:
        """Kill it at once, and whatever it has forked: a crash, or the power gone."""
        sessions.kill_session(self._process.pid, PATIENCE)
        self._process.wait(PATIENCE)

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log, lambda: f"no {text!r} in:\n{self.log}")


class Server(Process):
    """A process that serves HTTP on a port of its own."""

    def __init__(self, folder: Path, env: Mapping[str, str], *arguments: object) -> None:
        self.port = any_free(HOST)
        super().__init__(folder, env, *arguments, "--port", self.port)
        try:
            wait_until(lambda: "Uvicorn running" in self.log or self.ended, lambda: self.log)
            assert not self.ended, self.log
        except AssertionError:
            self.kill()
            raise

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = f"http://{HOST}:{self.port}{path}"
        # Certificates are not wanted here, and loading them for each request takes long.
        return httpx.request(method, url, verify=False, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def send(self, path: str, body: bytes = b"", length: int | None = None) -> socket.socket:
        """Send a POST, and leave it to the test whether its response is ever read."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        client.connect((HOST, self.port))
        head = (
            f"POST {path} HTTP/1.1",
            f"Host: {HOST}",
            "Connection: close",
            f"Content-Length: {len(body) if length is None else length}",
        )
        client.sendall("\r\n".join([*head, "", ""]).encode() + body)
        return client


def read_all(client: socket.socket) -> int:
    """Read a response to its end, and give its bytes, head included."""
    size = 0
    while data := client.recv(1 << 20):
        size += len(data)
    return size
