"""The catalogue: how tasks are found, and what keeps a service from starting."""

import sys

import pytest

from app import tasks
from app.catalogue import Catalogue, load_catalogue
from app.errors import (
    DuplicateTask,
    InvalidTaskOption,
    MissingAnnotation,
    SeveralMistakes,
    TaskModuleFailed,
    UnknownTask,
    UnknownTaskQueue,
    UnresolvedAnnotation,
    UnsupportedParameter,
)
from app.settings import Settings
from app.tasks import task

HEADER = "from app.tasks import task\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write modules of a test's own, by their paths, which can be imported in this test alone."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(tasks, "_declared", {})
    before = set(sys.modules)

    def write(**sources):
        for name, source in sources.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(HEADER + source)
        return path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(*modules, **changes):
    return load_catalogue(Settings(task_modules=modules, **changes))


def task_source(name, signature="() -> None", decorator="@task"):
    return f"{decorator}\ndef {name}{signature}: ...\n"


def test_every_submodule_is_imported_and_its_tasks_are_listed_by_name(write):
    write(mine__one=task_source("send"), mine__deep__er__two=task_source("clean"))

    catalogue = load("mine")

    assert [found.name for found in catalogue] == ["clean", "send"]
    assert len(catalogue) == 2
    assert catalogue.named("send").path == "mine.one.send"
    assert catalogue.at("mine.deep.er.two.clean") is catalogue.named("clean")


def test_hidden_folders_are_left_alone_and_odd_names_are_not(write, tmp_path):
    write(**{"mine__one": task_source("send"), "mine__send-mail": task_source("post")})
    for hidden in (".trash/two.py", "two.bak.py"):
        path = tmp_path / "mine" / hidden
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise SystemExit('it was run')")

    assert [found.name for found in load("mine")] == ["post", "send"]


def test_modules_and_packages_that_are_named_twice_are_taken_once(write):
    write(mine__one=task_source("send"), alone=task_source("clean"))

    assert [found.name for found in load("mine", "mine.one", "alone")] == ["clean", "send"]


def test_a_task_of_a_module_that_is_not_configured_is_no_task_of_the_service(write):
    write(other=task_source("send"), mine=f"import other\n{task_source('clean')}")

    catalogue = load("mine")

    assert [found.name for found in catalogue] == ["clean"]
    assert catalogue.at("other.send") is None


def test_a_task_that_another_module_imports_is_listed_once(write):
    write(mine__one=task_source("send"), mine__two="from mine.one import send\n")

    assert len(load("mine")) == 1


def test_a_program_within_the_package_is_not_run(write, tmp_path):
    write(mine__one=task_source("send"))
    tmp_path.joinpath("mine", "__main__.py").write_text("raise SystemExit('it was run')")

    assert len(load("mine")) == 1


def test_an_unknown_name_is_told_and_an_unknown_path_is_none():
    catalogue = Catalogue([])

    with pytest.raises(UnknownTask, match="send") as refused:
        catalogue.named("send")
    assert refused.value.__cause__ is None
    assert catalogue.at("os.system") is None
    assert len(catalogue) == 0


def test_two_tasks_of_one_name_in_two_modules_are_an_error_that_names_both_places(write, tmp_path):
    write(mine__one=task_source("send"), mine__two="\n" + task_source("send"))

    with pytest.raises(DuplicateTask, match="Two tasks are named 'send'") as refused:
        load("mine")

    assert f"{tmp_path}/mine/one.py:2 send" in str(refused.value)
    assert f"{tmp_path}/mine/two.py:3 send" in str(refused.value)


def test_two_tasks_of_one_name_in_one_module_are_an_error_that_names_both_places(write, tmp_path):
    write(mine=task_source("send") + task_source("post", decorator='@task(name="send")'))

    with pytest.raises(DuplicateTask) as refused:
        load("mine")

    assert f"{tmp_path}/mine.py:2 send" in str(refused.value)
    assert f"{tmp_path}/mine.py:4 post" in str(refused.value)


def test_a_function_that_replaces_one_of_its_own_name_is_an_error(write, tmp_path):
    write(mine=task_source("send") + task_source("send", decorator='@task(name="send_again")'))

    with pytest.raises(
        InvalidTaskOption, match=r"'send_again' is a second name of mine\.send"
    ) as refused:
        load("mine")

    assert f"{tmp_path}/mine.py:4 send" in str(refused.value)


def test_tasks_made_in_a_loop_are_an_error_for_a_job_could_not_tell_them_apart(write):
    write(mine='for name in ("a", "b"):\n    @task(name=name)\n    def run() -> None: ...\n')

    with pytest.raises(InvalidTaskOption, match=r"is a second name of mine\.run"):
        load("mine")


def test_an_unknown_queue_is_an_error_that_names_the_place_and_the_queues(write, tmp_path):
    write(mine=task_source("send", decorator='@task(queue="fast")'))

    with pytest.raises(UnknownTaskQueue, match="'fast' is none of high, default, low") as refused:
        load("mine")

    assert str(refused.value).startswith(f"{tmp_path}/mine.py:2 send:")
    assert len(load("mine", queues=("fast",))) == 1


@pytest.mark.parametrize(
    ("signature", "error", "reason"),
    [
        ("(to) -> None", MissingAnnotation, "'to' has no type annotation"),
        ("(to: 'Nobody') -> None", UnresolvedAnnotation, "name 'Nobody' is not defined"),
        ("() -> 'Nobody'", UnresolvedAnnotation, "name 'Nobody' is not defined"),
        ("(n: int = None) -> None", UnsupportedParameter, "'n' has a default"),
    ],
)
def test_a_signature_without_schema_is_an_error_at_start(write, tmp_path, signature, error, reason):
    write(mine=task_source("send", signature))

    with pytest.raises(error, match=reason) as refused:
        load("mine")

    assert str(refused.value).startswith(f"{tmp_path}/mine.py:2 send:")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_"),
        ("def f(:", "SyntaxError: "),
    ],
)
@pytest.mark.parametrize("file", ["mine.py", "mine/one.py", "mine/one/__init__.py"])
def test_a_module_that_cannot_be_imported_is_named_with_the_reason(
    write, tmp_path, file, source, reason
):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + source)

    with pytest.raises(TaskModuleFailed) as refused:
        load("mine")

    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert str(refused.value).startswith(f"The task module {module!r} cannot be imported: {reason}")
    assert refused.value.__cause__ is not None


def test_all_mistakes_of_all_modules_are_told_at_once_each_with_its_place(write, tmp_path):
    write(
        mine__bare=task_source("bare", "(a, b)"),
        mine__broken="1 / 0",
        mine__missing="import nothing_of_this_name",
        mine__one=task_source("send", decorator='@task(queue="fast")') + task_source("clean"),
        mine__two=task_source("send") + task_source("clean", "(n: int = None) -> None"),
        mine__well=task_source("well"),
    )

    with pytest.raises(SeveralMistakes) as refused:
        load("mine", "nowhere")

    first, *mistakes = str(refused.value).split("\n- ")
    assert first == "10 mistakes keep the tasks from being loaded:"
    assert [each.partition(";")[0].replace(f"{tmp_path}/", "")[:66] for each in mistakes] == [
        "mine/bare.py:2 bare: parameter 'a' has no type annotation",
        "mine/bare.py:2 bare: parameter 'b' has no type annotation",
        "mine/bare.py:2 bare: the function has no return annotation",
        "The task module 'mine.broken' cannot be imported: ZeroDivisionErro",
        "The task module 'mine.missing' cannot be imported: ModuleNotFoundE",
        "The task module 'nowhere' cannot be imported: ModuleNotFoundError:",
        "mine/one.py:2 send: the task's queue 'fast' is none of high, defau",
        "mine/two.py:4 clean: parameter 'n' has a default that is no valid ",
        "Two tasks are named 'send': mine/one.py:2 send and mine/two.py:2 s",
        "Two tasks are named 'clean': mine/one.py:4 clean and mine/two.py:4",
    ]


def test_a_mistake_that_several_modules_meet_is_told_once(write):
    write(
        mine__one=task_source("send", "(to) -> None"), mine__two="import mine.one", mine__z="1 / 0"
    )

    with pytest.raises(SeveralMistakes) as refused:
        load("mine")

    assert refused.value.facts["count"] == 2
    assert str(refused.value).count("'to' has no type annotation") == 1


@pytest.mark.parametrize(
    "name", ["nothing_of_this_name", "jobs.nothing", "jobs.email.py", ".jobs", ""]
)
def test_a_module_that_does_not_exist_is_named(name):
    with pytest.raises(TaskModuleFailed, match="cannot be imported"):
        load(name)


def test_the_shipped_tasks_are_found_by_default(shipped):
    assert {"send_email", "process_image", "call_api", "process_item", "clean_temp_files"} <= {
        found.name for found in shipped
    }


def test_a_catalogue_may_be_made_of_tasks_at_hand():
    @task
    def here() -> None: ...

    catalogue = Catalogue([here])

    assert list(catalogue) == [here]
    assert catalogue.at(here.path) is here
