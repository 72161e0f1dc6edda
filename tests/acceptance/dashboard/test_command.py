"""`rq-dashboard`, the stock command, beside the service: it starts, and shows the same jobs."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr
from rq import Queue, SimpleWorker

from app.local.ports import any_free

START_SECONDS = 30


class BurstWorker(SimpleWorker):
    """Works in this process until the queues are empty."""

    def _install_signal_handlers(self) -> None:
        """Leave pytest's own in place."""


@pytest.fixture
def command(redis_url: str) -> Iterator[str]:
    """Run the command on loopback (it would listen on all addresses); gives its address."""
    port = any_free("127.0.0.1")
    program = Path(sys.executable).with_name("rq-dashboard")
    with subprocess.Popen(
        [program, "-b", "127.0.0.1", "-p", str(port), "-u", redis_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            wait_until_ready(process, f"http://127.0.0.1:{port}/")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            assert process.poll() is None, process.stdout and process.stdout.read()
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.05)
        else:
            return


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def test_the_stock_command_shows_the_same_as_the_mounted_dashboard(
    command: str, make_client: Any, redis_url: str, redis_client: redis.Redis
) -> None:
    mounted = make_client(dashboard=True, redis_url=SecretStr(redis_url))
    posted = mounted.post("/tasks/clean_temp_files?queue=default", json={"older_than": 60})
    queued = posted.json()["id"]
    low = Queue("low", connection=redis_client)
    done, failed = low.enqueue("math.sqrt", 4), low.enqueue("math.sqrt", -1)
    BurstWorker([low], connection=redis_client).work(burst=True, logging_level="ERROR")

    paths = [
        "/0/data/jobs/default/queued/8/asc/1.json",
        "/0/data/jobs/low/finished/8/asc/1.json",
        "/0/data/jobs/low/failed/8/asc/1.json",
        "/0/data/workers.json",
        *(f"/0/data/job/{job_id}.json" for job_id in (queued, done.id, failed.id)),
    ]
    stock = {path: fetch(command + path) for path in paths}

    assert [job["id"] for job in stock[paths[0]]["jobs"]] == [queued]
    assert stock[paths[0]]["jobs"][0]["description"] == "clean_temp_files"
    for path in paths:
        ours = mounted.get(f"/dashboard{path}").json()
        stock[path].pop("pagination", None)  # its addresses lack the mount
        ours.pop("pagination", None)
        assert ours == stock[path], path
