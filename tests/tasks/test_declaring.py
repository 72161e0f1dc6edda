"""`@task`: what it takes, and what it refuses."""

import inspect

import pytest
from pydantic import BaseModel

from app.catalogue import Catalogue
from app.errors import InvalidTaskName, InvalidTaskOption, MissingAnnotation
from app.tasks import declared_tasks, task
from tests.tasks import sample_tasks as sample
from tests.tasks.sample_tasks import send, send_later


def test_a_bare_task_is_named_after_its_function_and_has_the_default_options():
    assert (send.name, send.path) == ("send", f"{sample.__name__}.send")
    assert send.options.model_dump() == {
        "queue": "default",
        "timeout": 180,
        "retries": 0,
        "backoff": 2.0,
        "result_ttl": None,
        "retry_on": None,
        "give_up_on": (),
        "callback": None,
        "isolated": False,
        "log": True,
    }
    assert send in declared_tasks()


def test_a_task_keeps_the_options_that_it_is_given():
    @task(
        name="mail.send-2",
        queue="high",
        timeout=30,
        retries=5,
        backoff=0.5,
        result_ttl=60,
        retry_on=(LookupError,),
        give_up_on=(KeyError,),
        callback="https://hooks.example/",
        isolated=True,
        log=False,
    )
    def function() -> None: ...

    assert function.name == "mail.send-2"
    assert function.options.model_dump() == {
        "queue": "high",
        "timeout": 30,
        "retries": 5,
        "backoff": 0.5,
        "result_ttl": 60,
        "retry_on": (LookupError,),
        "give_up_on": (KeyError,),
        "callback": "https://hooks.example/",
        "isolated": True,
        "log": False,
    }


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", 0),
        ("timeout", 7 * 86_400 + 1),
        ("timeout", None),
        ("timeout", "soon"),
        ("retries", -1),
        ("retries", 101),
        ("retries", 1.5),
        ("backoff", -0.1),
        ("backoff", float("nan")),
        ("backoff", 10 * 365 * 86_400 + 1),
        ("result_ttl", -1),
        ("result_ttl", 10 * 365 * 86_400 + 1),
        ("queue", None),
        ("give_up_on", KeyError),
        ("give_up_on", ("KeyError",)),
        ("retry", 3),
    ],
)
def test_an_option_that_no_job_could_keep_to_is_refused_with_its_place(option, value):
    def function() -> None: ...

    with pytest.raises(InvalidTaskOption) as refused:
        task(**{option: value})(function)

    assert f"{option}=" in str(refused.value)
    assert f"{__file__}:{function.__code__.co_firstlineno} " in str(refused.value)


@pytest.mark.parametrize("options", [{"timeout": 1}, {"timeout": 7 * 86_400}, {"retries": 100}])
def test_an_option_may_be_at_its_bound(options):
    @task(**options)
    def function() -> None: ...

    assert options.items() <= function.options.model_dump().items()


@pytest.mark.parametrize("name", ["1st", "a b", "a/b", "ä", "-a", "a" * 65, "a\n", "<b>"])
def test_a_name_that_fits_in_no_address_is_refused(name):
    def function() -> None: ...

    with pytest.raises(InvalidTaskName, match="is no task name"):
        task(name=name)(function)


def test_a_signature_that_has_no_schema_is_refused_where_it_is_declared():
    with pytest.raises(MissingAnnotation):

        @task
        def function(to) -> None: ...


def test_a_task_shows_what_its_function_shows():
    assert (send.__name__, send.__qualname__, send.__module__) == ("send", "send", sample.__name__)
    assert list(inspect.signature(send).parameters) == ["to", "times", "copy"]
    assert send.description == "Send one e-mail.\n\nIt is sent\n    over SMTP."
    assert (
        repr(send)
        == f"<Task send at {sample.__file__}:{send.function.__code__.co_firstlineno} send>"
    )
    assert not send.is_async
    assert send_later.is_async
    assert send_later.description == ""


def test_annotations_may_name_what_is_defined_later():
    @task
    def function(tree: "DefinedLater") -> "DefinedLater":
        return tree

    assert function({"leaf": "a"}).leaf == "a"


class DefinedLater(BaseModel):
    leaf: str


def test_a_module_that_is_loaded_again_replaces_its_own_tasks():
    def load():
        @task
        def twice() -> None: ...

        return twice

    first, second = load(), load()

    assert [found for found in declared_tasks() if found.name == "twice"] == [second]
    assert len(Catalogue([second])) == 1
    assert first is not second
