"""Workers as real processes: started, signalled, watched, and ended whatever becomes of a test."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.local import sessions

SAMPLES = "tests.worker.sample_tasks"
ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds; a machine that is busy with much else, under coverage
GRACE = 30  # seconds that these workers' jobs have once they are told to end
SOON = GRACE / 2  # seconds; who ends by then has not waited for the grace to be over


def environment(redis_url: str, **settings: str) -> dict[str, str]:
    """Give the environment of a worker that knows the samples."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TASK_API_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "REDIS_URL": redis_url,
        "TASK_API_TASK_MODULES": SAMPLES,
        "TASK_API_SHUTDOWN_GRACE": str(GRACE),
        **settings,
    }


class Program:
    """A Python program in a session of its own, its output in a file."""

    def __init__(self, folder: Path, env: Mapping[str, str], *arguments: object) -> None:
        self._log = folder / f"{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                cwd=folder,
                env=dict(env),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def horse(self) -> int:
        """The id of the process that runs the jobs; waits for one."""
        found = wait_until(lambda: children(self.pid))
        return int(found[0])

    def says(self, text: str, times: int = 1) -> None:
        """Wait for a text in its output."""
        with self._explained():
            wait_until(lambda: self.log.count(text) >= times)

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def send_group(self, number: int) -> None:
        """Signal each of its processes, as systemd does."""
        for pid in sessions.members({self.pid}):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Give its exit code once it has ended."""
        with self._explained():
            try:
                return self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise AssertionError("it did not end") from None

    def end(self, number: int = signal.SIGTERM) -> float:
        """Ask for the end, and give the seconds that it took."""
        begun = time.monotonic()
        self.send(number)
        self.wait()
        return time.monotonic() - begun

    def give_up(self, seconds: float) -> None:
        """Let it end for so long, and kill it then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """Kill whatever is left of it."""
        sessions.kill_session(self.pid, PATIENCE)
        self._process.wait(PATIENCE)

    @contextlib.contextmanager
    def _explained(self) -> Any:
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{error}; it said:\n{self.log}") from error


def children(pid: int) -> list[int]:
    """List the living children of a process, the oldest first."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in listed if alive(int(child))]


def cpu_seconds(pid: int) -> float:
    """Give how long a process has used a processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for a condition to hold; fail where it does not come to."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.01)
    return value


def alive(pid: int) -> bool:
    """Say whether a process runs, zombies left out."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return False
    return state != "Z"


def path_of(function: Any) -> str:
    """Give the dotted path that RQ knows a function of the samples by."""
    return f"{SAMPLES}.{function.__name__}"
