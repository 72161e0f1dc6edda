"""docs/background-or-queue.md: each of its claims names a test that shows it."""

import re
from pathlib import Path

from .processes import ROOT

PAGE = ROOT / "docs" / "background-or-queue.md"


def test_every_claim_of_the_page_names_a_test_that_exists() -> None:
    text, _, listed = PAGE.read_text().partition("## The tests")
    named = dict(re.findall(r"^(\d+)\. `(test_\w+)`$", listed, re.MULTILINE))
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    existing = set(re.findall(r"^def (test_\w+)\(", sources, re.MULTILINE))
    [table] = re.findall(r"^\| --- .*\n((?:\|.*\n)+)", text, re.MULTILINE)

    assert all(re.search(r"\[\d+\]", row) for row in table.splitlines())
    assert set(re.findall(r"\[(\d+)\]", text)) == set(named)
    assert set(named.values()) <= existing
