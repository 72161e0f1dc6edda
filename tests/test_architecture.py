"""The architecture, held: which way imports run, who says what, and how large a file may become."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the top down. A module belongs to its longest entry, a package's modules to the package's. It
# may import what stands with it in the same entry, and every entry of the rows below: those beside
# it in its own row know nothing of each other.
LAYERS = (
    ("app.main", "app.__main__", "worker"),
    ("app.doctor",),
    ("app.api", "app.worker", "app.local", "app.secret"),
    # The package's face, which every import of one of its modules runs. It joins the tasks to the
    # queue behind them, so it stands above both, and nothing below may import a name from it.
    ("app",),
    ("app.callbacks",),  # its task is found by its name
    # What is read, or done beside, on top of the queue itself.
    (
        "app.queue.watching",
        "app.queue.lists",
        "app.queue.explaining",
        "app.queue.dashboard",
        "app.queue.running",
    ),
    ("app.queue", "jobs"),
    ("app.catalogue",),
    ("app.tasks",),
    ("app.calls", "app.context"),
    ("app.arguments", "app.result"),
    ("app.signature",),
    (
        *("app.logs", "app.variables", "app.json_limits"),
        *("app.explanation", "app.job_list", "app.callback"),
    ),
    ("app.settings",),
    ("app.options", "app.mistakes"),
    ("app.models", "app.errors", "app.lifeline"),
    ("app.addresses", "app.webhooks"),
)

OF_APP_FOR_JOBS = {"app.tasks", "app.context"}

# Who may say what, as entries: all of them do, and nobody else does.
SPOKEN_BY = {
    "rq": {"app.queue", "app.worker", "worker"},
    "redis": {
        "app.queue",
        "app.worker",
        "app.doctor",  # looks at Redis itself
        "app.main",  # its type: the client that the lifespan owns
        "app.api.service",
        "app.api.dashboard",
        "app.api.dashboard_answers",
    },
    "hiredis": {"app.queue", "app.worker"},
    "flask": {"app.api.dashboard", "app.api.dashboard_answers"},
    "rq_dashboard": {"app.api.dashboard"},
    "fastapi": {"app.api", "app.main"},
    "starlette": {"app.api", "app.main"},
    "uvicorn": set(),  # a program that is run, by its name
    "pydantic_settings": {"app.settings", "app.variables", "jobs.settings"},
    # What a child process is given, NO_COLOR, which is no setting of ours, and what is misspelt.
    "os.environ": {"app.local.child", "app.local.terminal", "app.variables"},
    "importlib.import_module": {"app.catalogue"},  # the users' task modules
}

WEB = {"a2wsgi", "fastapi", "flask", "rq_dashboard", "starlette", "uvicorn", "werkzeug"}
OF_THE_EXTRA = {"PIL", "email_validator", "fsspec", "httpx", "jinja2", "s3fs", "sqlalchemy"}

LONGEST = 300  # lines
LONGER = {"app/errors.py": 480}  # one place for every error, two or three lines each


def sources() -> list[Path]:
    return [*ROOT.glob("app/**/*.py"), *ROOT.glob("jobs/**/*.py"), ROOT / "worker.py"]


@cache
def trees() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text(), str(path)) for path in sources()}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.AST) -> Iterator[str]:
    """Give what a tree imports: of ours the module, of others the dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in trees() else str(node.module) for name in names)


def ours(tree: ast.AST) -> set[str]:
    return {name for name in imported(tree) if name in trees()}


def entry_of(module: str, entries: set[str]) -> str | None:
    """Give the longest of the entries that a module belongs to; `app` is itself alone."""
    found = (
        entry
        for entry in entries
        if module == entry or (entry != "app" and module.startswith(f"{entry}."))
    )
    return max(found, key=len, default=None)


def row_and_entry(module: str) -> tuple[int, str]:
    entry = entry_of(module, {entry for row in LAYERS for entry in row})
    assert entry, f"{module} has no layer; give it one"
    return next(i for i, row in enumerate(LAYERS) if entry in row), entry


def says(tree: ast.AST) -> set[str]:
    """Give the words of `SPOKEN_BY` that a tree says."""
    found = {
        word for name in imported(tree) for word in SPOKEN_BY if f"{name}.".startswith(f"{word}.")
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name("os"), "environ" | "environb" | "getenv" | "putenv"):
                found.add("os.environ")
            case ast.ImportFrom("os", [*names]) if {n.name for n in names} & {"environ", "getenv"}:
                found.add("os.environ")
            case ast.Attribute(ast.Name("importlib"), "import_module") | ast.Name("__import__"):
                found.add("importlib.import_module")
    return found


def test_imports_run_one_way():
    upwards = []
    for module, tree in trees().items():
        row, entry = row_and_entry(module)
        for other in ours(tree):
            other_row, other_entry = row_and_entry(other)
            if other_entry != entry and other_row <= row:
                upwards.append(f"{module} imports {other}")

    assert upwards == []


def test_every_layer_of_the_table_has_a_module():
    used = {row_and_entry(module)[1] for module in trees()}

    assert used == {entry for row in LAYERS for entry in row}


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: ours(tree) - {module} for module, tree in trees().items()}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_no_import_stands_in_a_function():
    hidden = [
        f"{module}:{node.lineno} imports {name}"
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for name in imported(node)
    ]

    assert hidden == []


def test_every_import_says_the_whole_name():
    relative_or_all = [
        f"{module}: {ast.unparse(node)}"
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.level or node.names[0].name == "*")
    ]

    assert relative_or_all == []


def test_jobs_import_what_a_task_needs_and_nothing_else_of_app():
    of_app = {
        other
        for module, tree in trees().items()
        if module.partition(".")[0] == "jobs"
        for other in imported(tree)
        if other.partition(".")[0] in {"app", "worker"}
    }

    assert of_app == OF_APP_FOR_JOBS


def test_nothing_imports_the_jobs_by_name():
    naming = {
        module
        for module, tree in trees().items()
        if module.partition(".")[0] != "jobs"
        for other in imported(tree)
        if other.partition(".")[0] == "jobs"
    }

    assert naming == set()


@pytest.mark.parametrize("word", sorted(SPOKEN_BY))
def test_each_foreign_thing_is_said_where_the_table_says(word):
    entries = SPOKEN_BY[word]
    speakers = {module for module, tree in trees().items() if word in says(tree)}
    spoken_by = {entry_of(module, entries) or module for module in speakers}

    assert spoken_by == entries


def test_every_module_says_what_it_is():
    assert [module for module, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_no_file_is_long():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()
    }

    assert [f for f, lines in lengths.items() if lines > LONGER.get(f, LONGEST)] == []
    assert [file for file in LONGER if lengths[file] <= LONGEST] == []


def test_redis_keys_are_named_in_one_module():
    naming = {
        module
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(("rq:", "task-api:"))
    }

    assert naming == {"app.queue.keys"}


def test_every_script_says_its_keys_its_arguments_and_its_answer():
    # `changes.lua` is what they all begin with.
    scripts = [path for path in ROOT.glob("app/**/*.lua") if path.stem != "changes"]

    assert scripts
    for script in scripts:
        header = "".join(
            line for line in script.read_text().splitlines(keepends=True) if line.startswith("--")
        )
        for word in ("-- KEYS:", "-- ARGV:", "-- Answer:"):
            assert word in header, f"{script.name} does not say {word}"


def test_the_table_tells_a_wrong_import_from_a_right_one():
    wrong = ast.parse("def f():\n    import fastapi, rq.job\n    return os.environ['X']")

    assert says(wrong) == {"fastapi", "rq", "os.environ"}
    assert set(imported(wrong)) == {"fastapi", "rq.job"}
    assert row_and_entry("app.queue.keys") > row_and_entry("app.api.jobs")
    assert ours(ast.parse("from app import tasks, __version__")) == {"app", "app.tasks"}


def loaded_by(program: str) -> set[str]:
    """Give the packages that a fresh interpreter has loaded once it has run a program."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport json, sys; print(json.dumps([*sys.modules]))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_a_worker_starts_without_web_framework_and_without_what_only_jobs_need():
    loaded = loaded_by("import worker")

    assert {"rq", "redis", "pydantic"} <= loaded
    assert not loaded & (WEB | OF_THE_EXTRA)


def test_loading_the_shipped_tasks_brings_no_web_framework_into_the_worker():
    loaded = loaded_by(
        "import worker\n"
        "from app.catalogue import load_catalogue\n"
        "from app.settings import Settings\n"
        "assert len(load_catalogue(Settings())) > 0"
    )

    assert {"httpx", "sqlalchemy"} <= loaded
    assert not loaded & WEB


def test_importing_the_whole_service_starts_nothing():
    every = sorted(module for module in trees() if not module.endswith("__main__"))
    program = f"""
import importlib, socket, subprocess, threading
def refuse(*args, **kwargs):
    raise AssertionError("work at import")
socket.socket.connect = subprocess.Popen.__init__ = threading.Thread.start = refuse
for name in {every!r}:
    importlib.import_module(name)
"""

    assert {"app", "jobs", "worker"} <= loaded_by(program)
