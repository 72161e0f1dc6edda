"""docs/configuration.md, held against the settings in both directions."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from app.settings import Settings
from jobs.settings import JobSettings

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
ROW = re.compile(
    r"^\| `(REDIS_URL|TASK_API_[A-Z0-9_]+)` \| (?:`(.+?)`|(none)) \| .+ \|$", re.MULTILINE
)
NAMES = re.compile(r"\b(?:REDIS_URL|TASK_API_[A-Z0-9_]+)\b")

CLASSES: tuple[type[BaseSettings], ...] = (Settings, JobSettings)


def documented() -> dict[str, str | None]:
    """Give the table's settings, each with its default; None where it says that there is none."""
    return {row[1]: row[2] for row in ROW.finditer(PAGE.read_text())}


def variable(field: str) -> str:
    return "REDIS_URL" if field == "redis_url" else f"TASK_API_{field.upper()}"


def in_code() -> list[tuple[str, type[BaseSettings], str]]:
    return [
        (variable(field), settings, field)
        for settings in CLASSES
        for field in settings.model_fields
    ]


def test_every_setting_is_in_the_table_and_the_table_has_no_other():
    assert set(documented()) == {name for name, _, _ in in_code()}


def test_no_setting_is_in_the_table_twice():
    rows = [row[1] for row in ROW.finditer(PAGE.read_text())]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize(("name", "settings", "field"), in_code())
def test_a_default_of_the_table_set_in_the_environment_changes_nothing(
    name: str, settings: type[BaseSettings], field: str, monkeypatch: pytest.MonkeyPatch
):
    default = getattr(settings(), field)
    shown = documented()[name]
    if shown is None:
        assert default in (None, (), "")
        return
    monkeypatch.setenv(name, shown)
    assert getattr(settings(), field) == default
    assert default not in (None, (), "")


def test_a_setting_of_two_classes_has_one_default():
    for name, settings, field in in_code():
        for other in CLASSES:
            if field in other.model_fields:
                assert getattr(other(), field) == getattr(settings(), field), name


def test_no_page_names_a_setting_that_does_not_exist():
    known = set(documented())
    root = PAGE.parent.parent
    for page in [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("examples/*.md")]:
        assert set(NAMES.findall(page.read_text())) <= known, page
