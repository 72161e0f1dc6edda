"""The POST: how many jobs a second can be enqueued over HTTP, and how long does one wait."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.errors import BenchmarkError
from benchmarks.finding import Finding, Ratio, Sample, alternate
from benchmarks.process import Process, cpu_seconds
from benchmarks.scale import Scale
from benchmarks.stage import Stage

BODY = json.dumps({"to": "ada@example.com", "subject": "Hello", "body": "It works, it really does"})

OURS = "POST /tasks/{task}"
EMPTY = "empty FastAPI endpoint"
READY = "the same with a ready-made Response"
RQ = "queue.enqueue in a def endpoint"
SAQ = "saq in an async endpoint"
OURS_500 = f"{OURS}, 500 connections"
EMPTY_500 = f"{EMPTY}, 500 connections"
OURS_ALWAYS = f"{OURS}, appendfsync always"
RQ_ALWAYS = f"{RQ}, appendfsync always"

COLUMNS = (
    "answers a second",
    "p50, ms",
    "p99, ms",
    "CPU of the server, µs a request",
    "CPU of Redis, µs a request",
)
FIGURES = ("rate", "p50", "p99", "cpu", "redis_cpu")  # of the columns

CONNECTIONS = 32
MANY_CONNECTIONS = 500


class Target:
    """A server and one path of it, under load."""

    def __init__(self, stage: Stage, process: Process, port: int, path: str) -> None:
        self._stage = stage
        self._process = process
        self._port = port
        self._path = path

    def answer(self) -> str:
        """Send one request, and give the body of its answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{self._path}",
            BODY.encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            text: str = response.read().decode()
            return text

    def load(self, connections: int, seconds: float) -> Sample:
        """Load it from a process of its own.

        Raises:
            BenchmarkError: it refused requests, or Redis does not hold what it said it holds.
        """
        redis_pid = self._stage.redis_pid
        server, redis = cpu_seconds(self._process.pid), cpu_seconds(redis_pid)
        arguments = (str(self._port), self._path, str(connections), str(seconds), BODY)
        sample: Sample = json.loads(self._stage.finish("load", "-m", "benchmarks.load", *arguments))
        if sample["refused"]:
            raise BenchmarkError(f"{self._process.name} refused {sample['refused']:.0f} requests")
        answers = sample["answers"]
        sample["cpu"] = (cpu_seconds(self._process.pid) - server) / answers * 1e6
        sample["redis_cpu"] = (cpu_seconds(redis_pid) - redis) / answers * 1e6
        return sample


def ask(scale: Scale) -> Finding:
    """Load each server in turn, the others waiting."""
    with Stage(scale.fsync) as stage:
        rounds = alternate(_sides(stage, scale), scale.rounds)
    return Finding(
        name="enqueue",
        question="How many jobs a second can be enqueued over HTTP?",
        ratios=[
            Ratio(f"{OURS} / {EMPTY}", rounds.ratio(OURS, EMPTY, "rate"), at_least=1.0),
            Ratio(f"{OURS} / {RQ}", rounds.ratio(OURS, RQ, "rate"), at_least=6),
            Ratio(f"{OURS} / {SAQ}", rounds.ratio(OURS, SAQ, "rate"), at_least=2),
            Ratio(f"p99, {OURS} / {EMPTY}", rounds.ratio(OURS, EMPTY, "p99"), at_most=2.5),
            # What `make up` sets, so it is held to the same targets.
            Ratio(f"{OURS_ALWAYS} / {EMPTY}", rounds.ratio(OURS_ALWAYS, EMPTY, "rate"), at_least=1),
            Ratio(
                f"{OURS_ALWAYS} / {RQ}", rounds.ratio(OURS_ALWAYS, RQ_ALWAYS, "rate"), at_least=6
            ),
            Ratio(f"{OURS_500} / {EMPTY}", rounds.ratio(OURS_500, EMPTY_500, "rate"), at_least=1.0),
        ],
        columns=COLUMNS,
        rows=rounds.rows(*FIGURES),
        rounds=rounds.count,
        notes=[
            f"{CONNECTIONS} connections, one process of uvicorn (uvloop, httptools).",
            "The empty endpoint takes the same body, gives the same answer, and does nothing else.",
            "Ours answers once Redis has confirmed the job.",
            "With `appendfsync always`, as `make up` sets it, the disk has confirmed it as well.",
            "After each turn Redis was asked whether it holds every job that was answered 202.",
        ],
    )


def serve_ours(stage: Stage, more: Mapping[str, str] | None = None) -> Target:
    """Start the service, with more settings where they are given."""
    process, port = stage.serve("ours", "app.main:app", stage.env(more=more))
    return Target(stage, process, port, "/tasks/mail")


def _sides(stage: Stage, scale: Scale) -> dict[str, Callable[[], Sample]]:
    ours = serve_ours(stage)
    answer = stage.folder / "answer.json"
    answer.write_text(ours.answer())
    empty = stage.serve(
        "empty", "benchmarks.peers.empty_api:app", stage.env(more={"BENCH_ANSWER": str(answer)})
    )
    targets = {
        OURS: ours,
        EMPTY: Target(stage, *empty, "/mail"),
        READY: Target(stage, *empty, "/ready"),
        RQ: Target(stage, *stage.serve("rq", "benchmarks.peers.rq_api:app"), "/mail"),
        SAQ: Target(stage, *stage.serve("saq", "benchmarks.peers.saq_api:app"), "/mail"),
    }
    kept = {OURS: "rq:queue:default", RQ: "rq:queue:default", SAQ: "saq:default:queued"}
    sides: dict[str, Callable[[], Sample]] = {
        name: partial(_turn, stage, target, CONNECTIONS, scale.seconds, kept.get(name))
        for name, target in targets.items()
    }
    for name, target in ((OURS, ours), (EMPTY, targets[EMPTY])):
        sides[f"{name}, {MANY_CONNECTIONS} connections"] = partial(
            _turn, stage, target, MANY_CONNECTIONS, scale.seconds, kept.get(name)
        )
    for name in (OURS, RQ):
        sides[f"{name}, appendfsync always"] = partial(
            _turn_with, "always", scale.fsync, stage, sides[name]
        )
    for target in targets.values():
        target.load(CONNECTIONS, 0.5)  # what is made at the first use is not measured
    return sides


def _turn(
    stage: Stage, target: Target, connections: int, seconds: float, queue: str | None
) -> Sample:
    stage.clear()
    sample = target.load(connections, seconds)
    if queue is not None and (waiting := stage.redis.llen(queue)) != sample["answers"]:
        raise BenchmarkError(f"{sample['answers']:.0f} jobs were confirmed, {queue} has {waiting}")
    return sample


def _turn_with(fsync: str, usual: str, stage: Stage, turn: Callable[[], Sample]) -> Sample:
    stage.redis.config_set("appendfsync", fsync)
    try:
        return turn()
    finally:
        stage.redis.config_set("appendfsync", usual)
