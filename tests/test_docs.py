"""The documentation, held against what it describes: links, routes, fields, tasks, make targets."""

import importlib.util
import itertools
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from app import tasks
from app.catalogue import Catalogue
from app.main import create_app
from app.models import Job
from app.options import JobOptions
from app.settings import Settings
from app.tasks import TaskOptions
from tests.test_architecture import LAYERS

ROOT = Path(__file__).parent.parent
HTTP = ROOT / "docs" / "http.md"
HTTP_WATCHING = ROOT / "docs" / "http-watching.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
TASKS = ROOT / "docs" / "tasks.md"
README = ROOT / "README.md"
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

METHODS = "GET|HEAD|POST|PUT|PATCH|DELETE"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+(?:\([^()\s]*\))?)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
MENTION = re.compile(rf"`({METHODS}) (/[^\s`?]*)[^`]*`")
ROUTE_HEADING = re.compile(rf"^### `({METHODS}) (/[^`]*)`$", re.MULTILINE)
FIRST_CELL = re.compile(r"^\| (`[^|]+`) \|", re.MULTILINE)
SOURCE = re.compile(r"`((?:app|tests)/[\w./]+\.(?:py|lua))`")

BEYOND_OPENAPI = {("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/dashboard")}
ON_EVERY_PATH = {"unknown-route": 404, "method-not-allowed": 405}  # the router's, so no operation's
POST_OF_A_TASK = ("POST", "/tasks/")

Route = tuple[str, str]


@pytest.fixture
def app(settings: Settings, shipped: Catalogue) -> FastAPI:
    return create_app(settings, shipped)


@pytest.fixture
def routes(app: FastAPI) -> set[Route]:
    """Every operation; those of single tasks stand for `POST /tasks/{task}`."""
    operations = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    single = {(method, path) for method, path in operations if (method, path[:7]) == POST_OF_A_TASK}
    return operations - single | {("POST", "/tasks/{task}")}


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text()) if found == language]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def section(page: Path, heading: str) -> str:
    """Give what stands below a heading, to the next one of any level."""
    _, found, rest = prose(page).partition(f"\n{heading}\n")
    assert found, f"{page.name} has no heading {heading!r}"
    return re.split(r"^#{1,6} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def words_of_table(text: str) -> set[str]:
    """Give the words in backquotes of each row's first cell."""
    return {word for cell in FIRST_CELL.findall(text) for word in re.findall(r"`([^`]+)`", cell)}


@cache
def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(page)):
        text = LINK.sub(lambda link: link[0][1 : link[0].index("]")], heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(next(s for s in numbered(slug) if s not in found))
    return found


def numbered(slug: str) -> Iterator[str]:
    return itertools.chain([slug], (f"{slug}-{number}" for number in itertools.count(1)))


def matches(template: str, path: str) -> bool:
    """Say whether a path is one of a route; `…` in it stands for an id that was cut."""
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
    return re.fullmatch(pattern, path) is not None


def curls(page: Path) -> list[Route]:
    """Give the method and path of each curl command to the API's own port."""
    found = []
    for line in "".join(blocks(page, "bash")).replace("\\\n", "").splitlines():
        words = shlex.split(line, comments=True)
        urls = [urlsplit(word) for word in words if word.startswith("http://127.0.0.1:8000")]
        if words[:1] == ["curl"] and urls:
            method = words[words.index("-X") + 1] if "-X" in words else "GET"
            found.append((method, urls[0].path or "/"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path):
    broken = []
    for target in LINK.findall(prose(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        if not other.exists() or (anchor and anchor not in anchors(other)):
            broken.append(target)
    assert not broken


def test_every_route_stands_in_the_table_at_the_top_of_its_page():
    table, _, _ = HTTP.read_text().partition("\n## ")
    listed = {(method, path) for method, path in MENTION.findall(table)} - BEYOND_OPENAPI
    assert listed == set(ROUTE_HEADING.findall(HTTP.read_text() + HTTP_WATCHING.read_text()))


def test_the_readme_links_every_page_of_the_documentation():
    linked = set(LINK.findall(section(README, "## Documentation")))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


def test_the_layers_stand_in_the_order_that_the_test_of_the_architecture_holds():
    rows = {module: number for number, row in enumerate(LAYERS) for module in row}
    cells = FIRST_CELL.findall(section(ARCHITECTURE, "## The layers"))
    paths = [Path(word) for cell in cells for word in re.findall(r"`([^`]+)`", cell)]
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    assert set(modules) == set(rows)
    assert [rows[module] for module in modules] == sorted(rows.values())


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_source_file_that_a_page_names_exists(page: Path):
    assert [name for name in SOURCE.findall(prose(page)) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_picture_is_small(page: Path):
    for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", prose(page)):
        assert (page.parent / target).stat().st_size < 150_000, target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_route_that_a_page_names_exists(page: Path, routes: set[Route]):
    # The examples are an application of their own, whose routes are in backquotes there.
    named = [] if page.parent.name == "examples" else MENTION.findall(prose(page))
    unknown = [
        (method, path)
        for method, path in named + curls(page)
        if not any(method == m and matches(p, path) for m, p in routes | BEYOND_OPENAPI)
    ]
    assert not unknown


def test_every_operation_has_its_section_and_no_section_is_of_another(routes: set[Route]):
    sections = ROUTE_HEADING.findall(HTTP.read_text() + HTTP_WATCHING.read_text())
    assert set(sections) == routes
    assert len(sections) == len(set(sections))


def test_every_section_of_an_operation_shows_an_exchange():
    parts = ROUTE_HEADING.split(HTTP.read_text() + HTTP_WATCHING.read_text())
    for method, path, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        shown = re.split(r"^#{2,3} ", text, maxsplit=1, flags=re.MULTILINE)[0]
        commands = re.findall(r"curl .*http://127\.0\.0\.1:8000(/[^\s'?]*)", shown)
        assert any(matches(path, command) for command in commands), f"{method} {path}"


def test_the_options_are_those_of_the_model():
    assert words_of_table(section(HTTP, "### `POST /tasks/{task}`")) == set(JobOptions.model_fields)


def test_the_job_s_fields_are_those_of_the_model():
    assert words_of_table(section(HTTP, "### The job")) == set(Job.model_fields)


def test_the_options_of_a_task_are_those_of_the_decorator():
    assert words_of_table(section(TASKS, "## The options of `@task`")) == {
        "name",
        *TaskOptions.model_fields,
    }


def test_the_errors_are_those_of_the_openapi_document(app: FastAPI):
    documented = {
        slug: int(status)
        for slug, status in re.findall(
            r"^\| `/problems/([\w-]+)` \| (\d+) \|", HTTP.read_text(), re.MULTILINE
        )
    }
    answered = {
        slug: int(status)
        for operations in app.openapi()["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for slug in re.findall(r"`([\w-]+)`", answer["description"])
    }
    assert documented == answered | ON_EVERY_PATH


def task_examples() -> list[Any]:
    return [
        pytest.param(body, id=f"{page.name}-{number}")
        for page in (README, TASKS)
        for number, body in enumerate(blocks(page, "python"))
        if "@task" in body
    ]


@pytest.mark.parametrize("source", task_examples())
def test_every_example_of_a_task_can_be_imported_and_has_its_schemas(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tasks, "_declared", {})
    path = tmp_path / "example.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("example_of_the_docs", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    found = tasks.declared_tasks()
    assert len(found) == source.count("@task")
    for task in found:
        assert task.arguments.schema["type"] == "object"
        assert task.result.schema is not None


def test_there_are_examples_of_tasks_in_both_pages():
    assert {case.id.rpartition("-")[0] for case in task_examples()} == {"README.md", "tasks.md"}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_make_target_that_a_page_names_exists(page: Path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = "".join(blocks(page, "bash") + blocks(page, "sh"))
    in_blocks = re.findall(
        r"^(?:[A-Z_]+=\S+ )*make ([a-z]+)", commands.replace("&& ", "\n"), re.MULTILINE
    )
    in_prose = re.findall(r"`make ([a-z]+)", prose(page))
    assert {*in_blocks, *in_prose} <= targets
