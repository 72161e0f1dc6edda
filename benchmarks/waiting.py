"""Waiting: a thousand callers at once, from the end of a job to the answer that says so."""

import json
import time
from collections.abc import Callable
from functools import partial

from benchmarks.errors import BenchmarkError
from benchmarks.finding import Finding, Ratio, Sample, alternate
from benchmarks.process import Process, cpu_seconds
from benchmarks.scale import Scale
from benchmarks.stage import Stage

WAIT = "POST with Prefer: wait=60"
POLL = "GET each 0.5 s"
EVERY = {WAIT: 0.0, POLL: 0.5}  # seconds between two questions of a caller

_QUEUE = "rq:queue:default"
_LONGEST = 60.0  # seconds


def ask(scale: Scale) -> Finding:
    """Let the same crowd wait, and ask again and again, in turn."""
    with Stage(scale.fsync) as stage:
        server, port = stage.serve("api", "app.main:app")
        _turn(stage, server, port, 20, 0.0)  # what is made at the first use is not measured
        sides = {
            name: partial(_turn, stage, server, port, scale.waiters, every)
            for name, every in EVERY.items()
        }
        rounds = alternate(sides, scale.rounds)
    return Finding(
        name="waiting",
        question=f"How soon do {scale.waiters:,} callers learn that their jobs have ended?",
        ratios=[
            Ratio(f"p50, {WAIT} / {POLL}", rounds.ratio(WAIT, POLL, "p50"), at_most=0.1),
            Ratio(f"p99, {WAIT} / {POLL}", rounds.ratio(WAIT, POLL, "p99"), at_most=0.2),
            Ratio(
                "connections of the service to Redis, all waiting",
                rounds.median(WAIT, "connections"),
                unit="connections",
                at_most=5,
            ),
        ],
        columns=("p50, ms", "p99, ms", "CPU of the server, ms a caller", "connections to Redis"),
        rows=rounds.rows("p50", "p99", "cpu", "connections"),
        rounds=rounds.count,
        notes=[
            "From the end of a job's function to the answer that says so.",
            "All callers wait before the first job is run; one worker ends some 150 a second.",
            "Both ask one process of uvicorn over a connection of their own.",
        ],
    )


def _until(condition: Callable[[], bool], crowd: Process) -> None:
    deadline = time.monotonic() + _LONGEST
    while not condition():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"the callers do not come to an end:\n{crowd.last_lines()}")
        time.sleep(0.02)


def _turn(stage: Stage, server: Process, port: int, callers: int, every: float) -> Sample:
    stage.clear()
    cpu = cpu_seconds(server.pid)
    crowd = stage.run("waiters", "-m", "benchmarks.waiters", str(port), str(callers), str(every))
    try:
        _until(lambda: stage.redis.llen(_QUEUE) == callers, crowd)
        time.sleep(0.5)
        connections = len(stage.redis.client_list()) - 1  # without our own
        worker = stage.run("worker", "worker.py", "default")
        _until(lambda: not crowd.runs, crowd)
        stage.stop(worker)
        if crowd.returncode:
            raise BenchmarkError(f"the callers failed:\n{crowd.last_lines()}")
        sample: Sample = json.loads(crowd.log.read_text())
    finally:
        stage.stop(crowd)
        crowd.log.unlink(missing_ok=True)
    sample["cpu"] = (cpu_seconds(server.pid) - cpu) / callers * 1000
    sample["connections"] = float(connections)
    return sample
