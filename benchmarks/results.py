"""`results.json`: the last answer to each question, and on what it was measured."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.finding import Finding, Ratio

PATH = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True)
class Result:
    """An answer together with its circumstances."""

    finding: Finding
    date: str
    machine: str
    versions: str
    fsync: str
    load_before: float  # the machine's load average before the first measurement


def read_results(path: Path = PATH) -> dict[str, Result]:
    """Give what was measured so far, by question; nothing where there is no file."""
    if not path.exists():
        return {}
    return {name: _result(stored) for name, stored in json.loads(path.read_text()).items()}


def write_results(results: dict[str, Result], path: Path = PATH) -> None:
    """Replace the file."""
    stored = {name: asdict(result) for name, result in results.items()}
    path.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")


def _result(stored: dict[str, object]) -> Result:
    finding = dict(stored.pop("finding"))  # type: ignore[call-overload]
    finding["ratios"] = [Ratio(**ratio) for ratio in finding["ratios"]]
    finding["columns"] = tuple(finding["columns"])
    finding["rows"] = {side: tuple(values) for side, values in finding["rows"].items()}
    return Result(finding=Finding(**finding), **stored)  # type: ignore[arg-type]
