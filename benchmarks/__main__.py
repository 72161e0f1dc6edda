"""The command: `python -m benchmarks [QUESTION…]`, as `make bench` runs it."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks import (
    backlog,
    bulk,
    enqueue,
    idle,
    latency,
    lists,
    machine,
    memory,
    waiting,
    worker,
)
from benchmarks.chart import draw_chart
from benchmarks.errors import BenchmarkError
from benchmarks.finding import Finding
from benchmarks.readme import write_readme
from benchmarks.results import Result, read_results, write_results
from benchmarks.scale import QUICK, Scale
from benchmarks.table import as_markdown

QUESTIONS: dict[str, Callable[[Scale], Finding]] = {
    "enqueue": enqueue.ask,
    "worker": worker.ask,
    "latency": latency.ask,
    "waiting": waiting.ask,
    "bulk": bulk.ask,
    "backlog": backlog.ask,
    "lists": lists.ask,
    "memory": memory.ask,
    "idle": idle.ask,
}


def main(argv: list[str] | None = None) -> int:
    """Ask the questions, print the answers, and write them down; returns the exit code."""
    options = _parser().parse_args(argv)
    if sys.platform != "linux":
        print("The benchmarks read CPU time and memory from /proc, so they need Linux.")
        return 2
    scale = _scale(options)
    results = read_results()
    failed = False
    for name in options.questions or QUESTIONS:
        print(f"{name} …", file=sys.stderr, flush=True)
        begun = time.monotonic()
        try:
            result = _ask(name, scale)
        except BenchmarkError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
            continue
        print(f"\n{as_markdown(result)}\n", flush=True)
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        results[name] = result
        if not options.quick:
            write_results(results)
            write_readme(results, tuple(QUESTIONS))
            draw_chart(results)
    return int(failed)


def _ask(name: str, scale: Scale) -> Result:
    load = machine.load_average()
    return Result(
        finding=QUESTIONS[name](scale),
        date=machine.today(),
        machine=machine.describe_machine(),
        versions=machine.describe_versions(),
        fsync=scale.fsync,
        load_before=load,
    )


def _scale(options: argparse.Namespace) -> Scale:
    scale = QUICK if options.quick else Scale()
    given = {
        "rounds": options.rounds,
        "seconds": options.seconds,
        "memory_jobs": options.jobs,
        "fsync": options.fsync,
    }
    return replace(scale, **{name: value for name, value in given.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description="Measure.")
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=f"one of {', '.join(QUESTIONS)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round, to see that it runs; not written"
    )
    parser.add_argument("--rounds", type=_positive(int), help="alternating rounds (default: 3)")
    parser.add_argument(
        "--seconds", type=_positive(float), help="of load, a side and round (default: 3)"
    )
    parser.add_argument(
        "--jobs", type=_positive(int), help="jobs of the memory question (default: 40,000)"
    )
    parser.add_argument(
        "--fsync", choices=("always", "everysec", "no"), help="appendfsync (default: everysec)"
    )
    return parser


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        if (value := kind(text)) <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above nought")
        return value

    return read


if __name__ == "__main__":
    sys.exit(main())
