import pytest

from benchmarks.finding import Finding, Ratio
from benchmarks.readme import write_readme
from benchmarks.results import Result, read_results, write_results
from benchmarks.table import number

RESULT = Result(
    finding=Finding(
        name="worker",
        question="How fast?",
        ratios=[Ratio("ours / theirs", 31.26, at_least=30), Ratio("two / one", 1.2, at_least=1.6)],
        columns=("jobs a second", "CPU, µs"),
        rows={"ours": (5123.4, 95.52), "theirs": (98.25, 9876.0)},
        notes=["One process each."],
        rounds=3,
    ),
    date="2026-01-31",
    machine="a machine",
    versions="Python 3.11",
    fsync="everysec",
    load_before=0.1,
)


def test_what_is_written_is_read_again(tmp_path):
    write_results({"worker": RESULT}, tmp_path / "results.json")

    assert read_results(tmp_path / "results.json") == {"worker": RESULT}


def test_nothing_was_measured_where_there_is_no_file(tmp_path):
    assert read_results(tmp_path / "results.json") == {}


def test_the_page_gives_the_ratios_before_the_table_and_says_which_target_is_missed(tmp_path):
    write_readme({"worker": RESULT}, ("enqueue", "worker"), tmp_path / "README.md")

    page = (tmp_path / "README.md").read_text()
    first = page.index("- **31.3 times**: ours / theirs (target: at least 30.0)\n")
    missed = page.index("- **1.20 times**: two / one (target: at least 1.60; **not reached**)")
    row = page.index("| ours | 5,123 | 95.5 |")
    assert first < missed < row
    assert "Measured on 2026-01-31: medians of 3 alternating rounds" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.6, "12,346"),
        (31.26, "31.3"),
        (1.2, "1.20"),
        (0.01, "0.01"),
        (0.0032, "0.0032"),
        (0, "0.00"),
    ],
)
def test_a_figure_has_as_many_digits_as_mean_something(value, text):
    assert number(value) == text
