"""The edits that make rq-dashboard's templates safe, and what happens where they do not fit."""

import shutil
from pathlib import Path

import pytest
import rq_dashboard
from jinja2 import Environment

from app.api import dashboard_templates
from app.api.dashboard_templates import EDITS, PREFIX, safe_templates
from app.errors import UnknownDashboard


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of templates in the place of rq-dashboard's: a copy, to be changed."""
    folder = tmp_path / "templates"
    shutil.copytree(Path(rq_dashboard.__file__).parent / "templates", folder)
    monkeypatch.setattr(dashboard_templates, "files", lambda _: tmp_path)
    return folder / "rq_dashboard"


def change(package: Path, name: str, old: str, new: str) -> None:
    text = (package / name).read_text()
    assert old in text
    (package / name).write_text(text.replace(old, new))


def test_all_of_the_package_s_templates_are_read_and_compile() -> None:
    templates = safe_templates()

    assert {name.removeprefix(PREFIX) for name in templates} == {
        "base.html",
        "footer.html",
        "inline_js.html",
        "job.html",
        "jobs.html",
        "navbar.html",
        "queues.html",
        "workers.html",
        "scripts/dashboard.js",
        "scripts/job.js",
        "scripts/jobs.js",
        "scripts/queues.js",
        "scripts/workers.js",
    }
    for text in templates.values():
        Environment(autoescape=True).parse(text)


def test_no_tag_prints_html() -> None:
    assert not [name for name, text in safe_templates().items() if "<%=" in text]


def test_nothing_is_escaped_twice() -> None:
    assert "$('<div/>').text" not in safe_templates()[f"{PREFIX}jobs.html"]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: f"{edit.template}: {edit.old[:20]}")
def test_a_package_in_which_an_edit_finds_nothing_is_not_served(
    package: Path, edit: dashboard_templates.Edit
) -> None:
    change(package, edit.template, edit.old, "something else")

    with pytest.raises(UnknownDashboard, match=f"{edit.template} does not contain"):
        safe_templates()


@pytest.mark.parametrize(
    ("name", "hole", "said"),
    [
        ("footer.html", "<%= d.name %>", "prints HTML"),
        ("footer.html", "<script>go()</script>", "script without a nonce"),
        ("footer.html", "<script\nsrc='x'>", "script without a nonce"),
        ("scripts/workers.js", "var name = '{{ name }}';", "is not JSON"),
    ],
)
def test_a_package_with_a_hole_that_no_edit_closes_is_not_served(
    package: Path, name: str, hole: str, said: str
) -> None:
    (package / name).write_text(hole + (package / name).read_text())

    with pytest.raises(UnknownDashboard, match=f"rq_dashboard/{name} has .*{said}"):
        safe_templates()
