"""What a check has found, and how findings are shown."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pydantic_core

WIDTH = 100  # columns

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer. What is not ok has a remedy."""

    check: str
    level: Level
    message: str
    remedy: str | None = None


def ok(check: str, message: str) -> Finding:
    """Say that there is nothing to do."""
    return Finding(check, "ok", message)


def warn(check: str, message: str, remedy: str) -> Finding:
    """Say what may become trouble, and the remedy."""
    return Finding(check, "warn", message, remedy)


def fail(check: str, message: str, remedy: str) -> Finding:
    """Say what is broken, and the remedy."""
    return Finding(check, "fail", message, remedy)


def is_well(findings: Iterable[Finding]) -> bool:
    """Say whether nothing is broken."""
    return all(finding.level != "fail" for finding in findings)


def as_text(findings: Sequence[Finding]) -> str:
    """Write findings for a terminal: one line each, and the remedy below what is not ok."""
    name = max(len(finding.check) for finding in findings)
    hanging = " " * (name + 8)
    lines: list[str] = []
    for finding in findings:
        head = f"{finding.level:<4}  {finding.check:<{name}}  "
        lines += _wrapped(head + finding.message, hanging)
        if finding.remedy:
            lines += _wrapped(f"{hanging}-> {finding.remedy}", hanging + "   ")
    counts = {level: sum(each.level == level for each in findings) for level in _COUNTED}
    lines += ["", ", ".join(f"{number} {_COUNTED[level]}" for level, number in counts.items())]
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """Write findings for a program."""
    report = {"well": is_well(findings), "findings": [asdict(each) for each in findings]}
    return pydantic_core.to_json(report, indent=2).decode()


_COUNTED: dict[Level, str] = {"ok": "ok", "warn": "to look at", "fail": "broken"}


def _wrapped(text: str, hanging: str) -> list[str]:
    return [
        part
        for number, line in enumerate(text.splitlines())
        for part in textwrap.wrap(
            line,
            WIDTH,
            initial_indent=hanging if number else "",  # an entry of a list
            subsequent_indent=hanging + "  " if number else hanging,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
    ]
