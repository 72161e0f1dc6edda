"""Where a question is asked: a Redis of its own, a folder of its own, and what was started."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from app.local import ports
from app.local.embedded import HOST, EmbeddedRedis
from app.settings import Settings
from benchmarks.errors import BenchmarkError
from benchmarks.process import Process, cpu_seconds

TASKS = "benchmarks.tasks"

_START_SECONDS = 30.0


class Stage(AbstractContextManager["Stage"]):
    """A Redis server and the processes that use it; leaving it ends them all.

    It is the Redis of `make up`, with its append-only file, save for two settings: `appendfsync`,
    which is `always` there, and that the file is not rewritten meanwhile, since a fork of Redis in
    the middle of one side's turn would be charged to that side.
    """

    def __init__(self, fsync: str) -> None:
        """Use `appendfsync` with that value: always, everysec or no."""
        self._folder = tempfile.TemporaryDirectory(prefix="task-api-bench-")
        self.folder = Path(self._folder.name)
        self._server = EmbeddedRedis(self.folder, port=ports.any_free(HOST))
        self._fsync = fsync
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        try:
            self._server.start()
            self.redis = redis.Redis.from_url(self._server.url, socket_timeout=120)
            self.redis.config_set("appendfsync", self._fsync)
            self.redis.config_set("auto-aof-rewrite-percentage", 0)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in reversed(self._processes):
            process.kill()
        self._server.stop()
        self._folder.cleanup()

    @property
    def redis_pid(self) -> int:
        """The id of the Redis server's process."""
        assert self._server.pid is not None
        return self._server.pid

    def redis_cpu(self) -> float:
        """CPU seconds that Redis has used so far."""
        return cpu_seconds(self.redis_pid)

    def url(self, db: int = 0) -> str:
        """Redis' address, with the number of one of its databases."""
        return f"{self._server.url.removesuffix('/0')}/{db}"

    def settings(self) -> Settings:
        """Give the service's settings for this stage, for what runs in this process."""
        return Settings(redis_url=self.url(), task_modules=TASKS)

    def env(self, db: int = 0, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give the environment of a process on this stage. The service keeps its defaults."""
        return {
            "REDIS_URL": self.url(db),
            "TASK_API_TASK_MODULES": TASKS,
            "TASK_API_ACTIVITY_LOG": str(self.folder / "activity.jsonl"),
            "TASK_API_DATA_DIR": str(self.folder),
            "TASK_API_LOG_LEVEL": "warning",  # no line for a job, as with all other sides
            "BENCH_STAMPS": str(self.folder / "stamps"),
            "PYTHONPATH": os.pathsep.join(
                [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            **(more or {}),
        }

    def run(self, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> Process:
        """Start a Python program: `python arguments…`."""
        log = self.folder / f"{name}.log"
        process = Process(name, (sys.executable, *arguments), env or self.env(), log)
        self._processes.append(process)
        return process

    def serve(
        self, name: str, app: str, env: Mapping[str, str] | None = None
    ) -> tuple[Process, int]:
        """Start an HTTP server; give it, and its port, once that is listened on.

        One process of uvicorn with uvloop and httptools, without its access log: the service writes
        an activity record of its own instead, the others write none.
        """
        port = ports.any_free(HOST)
        options = ("--port", str(port), "--no-access-log", "--log-level", "warning")
        process = self.run(
            name, "-m", "uvicorn", app, "--loop", "uvloop", "--http", "httptools", *options, env=env
        )
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if not process.runs or time.monotonic() > deadline:
                raise BenchmarkError(f"{name} did not start:\n{process.last_lines()}")
            time.sleep(0.05)
        return process, port

    def finish(self, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run a Python program to its end, within two minutes; give what it printed."""
        process = self.run(name, *arguments, env=env)
        deadline = time.monotonic() + 120
        while process.runs:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{name} does not end:\n{process.last_lines()}")
            time.sleep(0.02)
        if process.returncode:
            raise BenchmarkError(f"{name} failed:\n{process.last_lines()}")
        self._processes.remove(process)
        output = process.log.read_text()
        process.log.unlink()
        return output

    def stop(self, process: Process) -> None:
        """End one of its processes now, without waiting for its jobs."""
        process.kill()
        self._processes.remove(process)

    def clear(self) -> None:
        """Empty all of Redis' databases."""
        self.redis.flushall()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
