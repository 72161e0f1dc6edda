"""What the tests of HTTP share: a check of error answers, the API on a real Redis or server."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app import calls
from app.catalogue import Catalogue
from app.main import create_app
from app.settings import Settings

PROBLEM_KEYS = {"type", "title", "status", "detail", "instance", "request_id"}
PATIENCE = 30.0  # seconds that a test waits for what happens by itself


@pytest.fixture
def expect_problem() -> Callable[..., dict[str, Any]]:
    """Check that an answer is this problem, whole and consistent; gives its body."""

    def check(answer: Any, status: int, slug: str, instance: str | None = None) -> Any:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        with_errors = PROBLEM_KEYS | ({"errors"} if status == 422 else set())
        assert set(problem) - {"job"} == with_errors
        assert problem["type"] == f"/problems/{slug}"
        assert problem["title"] == slug.replace("-", " ").capitalize()
        assert problem["status"] == status
        assert len(problem["detail"]) > 20
        assert problem["instance"] == (instance or answer.request.url.path)
        assert problem["request_id"] == answer.headers["x-request-id"]
        for error in problem.get("errors", ()):
            assert set(error) == {"loc", "message", "type"}
            assert error["loc"]
            assert error["message"]
        return problem

    return check


@pytest.fixture
def real_api(make_client, redis_url: str) -> TestClient:
    """A client of the API with the shipped jobs, on the real Redis."""
    return make_client(redis_url=SecretStr(redis_url))


class Served:
    """The API behind a real server in a thread, on a port of its own."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(app, ws="none", log_config=None, timeout_graceful_shutdown=5)
        self.app = app
        self.activity = app.state.service.activity
        self._server = uvicorn.Server(config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True
        )
        self.address: tuple[str, int] = self._listener.getsockname()
        self.netloc = f"{self.address[0]}:{self.address[1]}"

    def start(self) -> "Served":
        self._thread.start()
        wait_for(lambda: self._server.started)
        return self

    def stop(self) -> None:
        """End it as SIGTERM does."""
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Send one whole request; gives the status and the body of the answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=PATIENCE)

    def head(self, method: str, path: str, **headers: object) -> bytes:
        """The head of a request, to be sent by hand."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.netloc}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()


Serve = Callable[..., Served]


@pytest.fixture
def serve(settings: Settings, shipped: Catalogue) -> Iterator[Serve]:
    """Serve the API by uvicorn: on a fakeredis of its own, unless told otherwise."""
    started: list[Served] = []

    def start(
        catalogue: Catalogue = shipped,
        prepare: Callable[[FastAPI], None] = lambda _: None,
        **changes: object,
    ) -> Served:
        chosen = settings.model_copy(update={"dashboard": False, **changes})
        client = None if "redis_url" in changes else fakeredis.FakeAsyncRedis()
        app = create_app(chosen, catalogue, client)
        prepare(app)
        started.append(Served(app).start())
        return started[-1]

    before = calls._enqueuer
    yield start
    for served in started:
        served.stop()
    calls.connect(before)


@pytest.fixture
def activity(settings: Settings) -> Callable[..., list[dict[str, Any]]]:
    """Read the activity log, once it has at least so many lines."""

    def read(least: int) -> list[dict[str, Any]]:
        path: Path = settings.activity_log
        wait_for(lambda: path.exists() and path.read_text().count("\n") >= least)
        return [json.loads(line) for line in path.read_text().splitlines()]

    return read


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Wait until something is so."""
    return wait_for


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
