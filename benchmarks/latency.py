"""Latency: how long from a POST to its job's result, one at a time."""

import json
import time
from contextlib import closing
from functools import partial
from http.client import HTTPConnection

from benchmarks.errors import BenchmarkError
from benchmarks.finding import Finding, Ratio, Sample, alternate
from benchmarks.scale import Scale
from benchmarks.sides import OURS, PRELOADED, PRELOADED_COMMAND, SIDES, STOCK
from benchmarks.stage import Stage

COMMANDS = {
    OURS: SIDES[OURS].command,
    PRELOADED: (*PRELOADED_COMMAND, "default"),
    STOCK: SIDES[STOCK].command,
}
JOBS = {OURS: 100, PRELOADED: 100, STOCK: 10}  # in a turn; fewer where each takes long
_LONGEST_WAIT = 10.0
_PAUSE = 0.002  # seconds between jobs, so that each worker waits again


class Api:
    """The service with one worker, on one of Redis' databases, asked by one client."""

    def __init__(self, stage: Stage, db: int, worker: str) -> None:
        env = stage.env(db)
        _, port = stage.serve(f"api-{db}", "app.main:app", env)
        stage.run(f"worker-{db}", *COMMANDS[worker], env=env)
        self._port = port

    def turn(self, jobs: int) -> Sample:
        """Ask for some results, one after the other; times in milliseconds."""
        seconds = []
        # A new one in each turn: uvicorn closes one that was idle for five seconds.
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=_LONGEST_WAIT)) as connection:
            for _ in range(jobs):
                seconds.append(_result(connection))
                time.sleep(_PAUSE)
        seconds.sort()
        return {"p50": seconds[jobs // 2] * 1e3, "p99": seconds[jobs * 99 // 100] * 1e3}


def ask(scale: Scale) -> Finding:
    """Ask two services in turn, one with each worker."""
    with Stage(scale.fsync) as stage:
        apis = {worker: Api(stage, db, worker) for db, worker in enumerate(COMMANDS)}
        for api in apis.values():
            api.turn(5)
        rounds = alternate(
            {worker: partial(api.turn, JOBS[worker]) for worker, api in apis.items()},
            2 * scale.rounds - 1,
        )
    return Finding(
        name="latency",
        question="How long from a POST to its job's result, one at a time?",
        ratios=[
            Ratio(f"p50, {OURS} / {other}", rounds.ratio(OURS, other, "p50"), at_most=1 / 3)
            for other in (PRELOADED, STOCK)
        ],
        columns=("p50, ms", "p99, ms"),
        rows=rounds.rows("p50", "p99"),
        rounds=rounds.count,
        notes=["Both behind the same API; the client asks `GET /jobs/{id}` until it is finished."],
    )


def _result(connection: HTTPConnection) -> float:
    """Enqueue a job, and ask for it until its result is there; gives the seconds."""
    begun = time.perf_counter()
    # A number that writes no stamp.
    job = _send(connection, "POST", "/tasks/noop", json.dumps({"number": 1}))
    while job["status"] != "finished":
        if job["status"] == "failed" or time.perf_counter() - begun > _LONGEST_WAIT:
            raise BenchmarkError(f"a job did not finish: {job}")
        job = _send(connection, "GET", f"/jobs/{job['id']}")
    return time.perf_counter() - begun


def _send(
    connection: HTTPConnection, method: str, path: str, body: str | None = None
) -> dict[str, object]:
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer: dict[str, object] = json.loads(connection.getresponse().read())
    return answer
