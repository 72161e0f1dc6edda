"""What there is to be seen of a piece of work: its notes, and its job in Redis."""

import re
import time
from pathlib import Path

import redis
from rq.job import Job as RQJob

from app.queue import keys

from .processes import Server, wait_until


class Notes:
    """What the work has noted in the folder of its processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, name: str) -> list[str]:
        """Give the lines on one piece of work, without its name and its process ids."""
        path = self._folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        mine = [line for line in lines if line.startswith(f"{name} ")]
        return [re.sub(r" \d+$", "", line.removeprefix(f"{name} ")) for line in mine]

    def process_of(self, name: str) -> int:
        found = re.findall(
            rf"^{name} begun (\d+)$", (self._folder / "notes").read_text(), re.MULTILINE
        )
        return int(found[-1])

    def wait_for(self, name: str, line: str, times: int = 1) -> None:
        wait_until(lambda: self.of(name).count(line) >= times, lambda: self.of(name))

    def let_go(self, *names: str) -> None:
        for name in names:
            (self._folder / f"{name}.go").touch()


def settle(server: Server, notes: Notes) -> None:
    """Let the server do what it is going to do: a background task from end to end."""
    name = f"settle{time.monotonic_ns()}"
    notes.let_go(name)
    server.post(f"/background/{name}")
    notes.wait_for(name, "ended")


def waiting_jobs(client: redis.Redis) -> list[str]:
    """Give the names of the work that waits in the queue."""
    ids = client.lrange(keys.queue("default"), 0, -1)
    return [RQJob.fetch(each.decode(), client).kwargs["name"] for each in ids]


def status(client: redis.Redis, job_id: str) -> str:
    return RQJob.fetch(job_id, client).get_status().value


def reason(client: redis.Redis, job_id: str) -> str:
    result = RQJob.fetch(job_id, client).latest_result()
    assert result is not None
    return result.exc_string or ""
