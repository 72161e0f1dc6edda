"""A result as Markdown: the ratios first, then the table, then what has to be known about it."""

from benchmarks.finding import Finding, Ratio
from benchmarks.results import Result


def as_markdown(result: Result) -> str:
    """Write one section."""
    finding = result.finding
    rounds = f"medians of {finding.rounds} alternating rounds, " if finding.rounds > 1 else ""
    circumstances = (
        f"Measured on {result.date}: {rounds}`appendfsync {result.fsync}`, load average of the "
        f"machine before {result.load_before:.1f}."
    )
    return "\n\n".join(
        [
            f"## {finding.question}",
            "\n".join(_ratio(ratio) for ratio in finding.ratios),
            _table(finding),
            " ".join([*finding.notes, circumstances]),
        ]
    )


def _ratio(ratio: Ratio) -> str:
    return f"- **{number(ratio.value)} {ratio.unit}**: {ratio.label}{_target(ratio)}"


def _target(ratio: Ratio) -> str:
    if ratio.reached is None:
        return ""
    bound, limit = (
        ("at least", ratio.at_least) if ratio.at_least is not None else ("at most", ratio.at_most)
    )
    assert limit is not None
    return f" (target: {bound} {number(limit)}{'' if ratio.reached else '; **not reached**'})"


def _table(finding: Finding) -> str:
    lines = [
        f"| | {' | '.join(finding.columns)} |",
        f"| --- |{' ---: |' * len(finding.columns)}",
        *(
            f"| {side} | {' | '.join(map(number, values))} |"
            for side, values in finding.rows.items()
        ),
    ]
    return "\n".join(lines)


def number(value: float) -> str:
    """Write a figure with as many digits as mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.2g}"
