"""`benchmarks/README.md`, written by the run itself."""

from pathlib import Path

from benchmarks.results import Result
from benchmarks.table import as_markdown

PATH = Path(__file__).parent / "README.md"

_HEAD = """\
# Benchmarks

`make bench` runs them all, in some seven minutes; `make bench ARGS="worker latency"` some of them;
`make bench ARGS="--quick"` only tries whether they run. This page, `results.json` and the chart are
written by the run.

Every question has a file of its own here. All its sides use the same Redis server on the same
machine, with an append-only file and the `appendfsync` that stands below each table: `everysec`
where nothing else is said. `make up` sets `always`, which waits for the disk at every write;
`make bench ARGS="--fsync always"` measures everything with it. A side is one process, and the sides
take turns, round by round. A ratio is the median of the ratios within a round. "CPU" is what the
kernel has charged to the process and its children: it is steadier than a rate on a machine that
does other things besides. The settings of the other libraries, with the reason for each, are in
`sides.py` and `peers/`.
"""


def write_readme(results: dict[str, Result], order: tuple[str, ...], path: Path = PATH) -> None:
    """Write the page, the questions in that order."""
    shown = [results[name] for name in order if name in results]
    latest = max(shown, key=lambda result: result.date)
    parts = [
        _HEAD.strip(),
        f"Machine: {latest.machine}.",
        f"Versions: {latest.versions}.",
        "![The rates and the latencies as bars](results.png)",
        *map(as_markdown, shown),
    ]
    path.write_text("\n\n".join(parts) + "\n")
