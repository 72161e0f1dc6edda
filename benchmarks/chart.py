"""The results as bars: one panel for each question that compares sides."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.results import Result
from benchmarks.table import number

PATH = Path(__file__).parent / "results.png"
PANELS = ("enqueue", "worker", "bulk", "latency")

_OURS, _OTHERS = "#0b7285", "#adb5bd"
_OUR_WORDS = ("POST /tasks", "worker.py", "Task.")


def draw_chart(results: dict[str, Result], path: Path = PATH) -> None:
    """Draw the first column of each table; nothing where none of the panels was measured."""
    shown = [results[name] for name in PANELS if name in results]
    if not shown:
        return
    heights = [len(result.finding.rows) + 2 for result in shown]
    figure = Figure(figsize=(9, sum(heights) * 0.36), layout="constrained")
    panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)
    for axes, result in zip(panels[:, 0], shown, strict=True):
        _draw(axes, result)
    figure.savefig(path, dpi=100)


def _draw(axes: Axes, result: Result) -> None:
    finding = result.finding
    sides = list(finding.rows)
    values = [row[0] for row in finding.rows.values()]
    colors = [_OURS if side.startswith(_OUR_WORDS) else _OTHERS for side in sides]
    bars = axes.barh(sides, values, color=colors)
    axes.bar_label(bars, [number(value) for value in values], padding=4, fontsize=9)
    axes.invert_yaxis()
    axes.set_title(
        f"{finding.question[:-1].replace('`', '')}: {finding.columns[0]}", loc="left", fontsize=10
    )
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(bottom=False, labelbottom=False, left=False, labelsize=9)
    axes.set_xlim(0, max(values) * 1.15)
