"""The worker: how many no-op jobs a second does one process execute."""

import time
from collections.abc import Callable

from benchmarks.errors import BenchmarkError
from benchmarks.finding import Finding, Ratio, Sample, alternate
from benchmarks.process import Process
from benchmarks.scale import Scale
from benchmarks.sides import (
    HUEY_AS_SHIPPED,
    LIBRARIES,
    OURS,
    OURS_AS_SHIPPED,
    SIDES,
    STOCK,
    TWO,
    Side,
)
from benchmarks.stage import Stage
from benchmarks.stamp import EVERY, read_stamps

_WARM_SECONDS = 0.5  # after the first job: caches, imports on first use
_LONGEST_WAIT = 60.0


def ask(scale: Scale) -> Finding:
    """Let each worker in turn work on the same queue of no-op jobs."""
    with Stage(scale.fsync) as stage:
        turns: dict[str, Callable[[], Sample]] = {
            name: Turn(stage, name, side, scale.seconds).run for name, side in SIDES.items()
        }
        rounds = alternate(turns, scale.rounds)
    fastest = max(LIBRARIES, key=lambda library: rounds.median(library, "rate"))
    return Finding(
        name="worker",
        question="How many no-op jobs a second does one worker process execute?",
        ratios=[
            Ratio(f"{OURS} / {STOCK}", rounds.ratio(OURS, STOCK, "rate"), at_least=30),
            Ratio(
                f"{OURS} / the fastest other library, {fastest}",
                rounds.ratio(OURS, fastest, "rate"),
                at_least=1.5,
            ),
            Ratio(
                f"{OURS_AS_SHIPPED} / {HUEY_AS_SHIPPED}",
                rounds.ratio(OURS_AS_SHIPPED, HUEY_AS_SHIPPED, "rate"),
                at_least=1.5,
            ),
            Ratio(f"{TWO} / {OURS}", rounds.ratio(TWO, OURS, "rate"), at_least=1.6),
        ],
        columns=("jobs a second", "CPU of the worker, µs a job", "CPU of Redis, µs a job"),
        rows=rounds.rows("rate", "cpu", "redis_cpu"),
        rounds=rounds.count,
        notes=[
            "Each has one process that executes; settings are in `sides.py` and `peers/`.",
            "No worker logs a line for a job, but for the two that run as they are shipped.",
            "Two workers and Redis need three cores to show what they can.",
        ],
    )


class Turn:
    """A worker's turns. Its queue is filled once, and put back before each."""

    def __init__(self, stage: Stage, name: str, side: Side, seconds: float) -> None:
        self._stage = stage
        self._name = name
        self._side = side
        self._seconds = seconds
        self._stamps = stage.folder / "stamps"
        self._filled: list[tuple[bytes, bytes]] = []  # keys, and their values as Redis dumps them

    def run(self) -> Sample:
        """Start the worker, and measure from half a second after its first job on."""
        self._fill()
        self._stamps.unlink(missing_ok=True)
        env = self._stage.env(more={"TASK_API_LOG_LEVEL": self._side.log_level})
        worker = self._stage.run(self._name.replace(" ", "-"), *self._side.command, env=env)
        try:
            start = self._first_stamp(worker) + _WARM_SECONDS
            time.sleep(max(0.0, start - time.monotonic()))
            worker_cpu, redis_cpu = worker.cpu_seconds(), self._stage.redis_cpu()
            begun = time.monotonic()
            time.sleep(self._seconds)
            ended = time.monotonic()
            worker_cpu = worker.cpu_seconds() - worker_cpu
            redis_cpu = self._stage.redis_cpu() - redis_cpu
        finally:
            self._stage.stop(worker)
        times = [at for at in read_stamps(self._stamps) if begun <= at <= ended]
        if len(times) < 3 or ended - times[-1] > self._seconds / 4:
            raise BenchmarkError(
                f"{self._name} had no more jobs, or stopped:\n{worker.last_lines()}"
            )
        rate = (len(times) - 1) * EVERY / (times[-1] - times[0])
        jobs = rate * (ended - begun)
        return {
            "rate": rate,
            "cpu": worker_cpu / jobs * 1e6,
            "redis_cpu": redis_cpu / jobs * 1e6,
        }

    def _first_stamp(self, worker: Process) -> float:
        deadline = time.monotonic() + _LONGEST_WAIT
        while not (times := read_stamps(self._stamps)):
            if not worker.runs or time.monotonic() > deadline:
                raise BenchmarkError(f"{self._name} executes nothing:\n{worker.last_lines()}")
            time.sleep(0.01)
        return times[0]

    def _fill(self) -> None:
        client = self._stage.redis
        self._stage.clear()
        if not self._filled:
            # Room for the time before and after the measured one.
            count = int(self._side.enough * (self._seconds + _WARM_SECONDS + 0.5))
            self._stage.finish("fill", "-m", "benchmarks.fill", self._side.peer, str(count))
            keys = list(client.scan_iter(count=10_000))
            with client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.dump(key)
                self._filled = list(zip(keys, pipeline.execute(), strict=True))
            return
        with client.pipeline(transaction=False) as pipeline:
            for key, value in self._filled:
                pipeline.restore(key, 0, value)
            pipeline.execute()
