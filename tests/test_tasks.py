"""`@task`: what it takes, and what a call of a task does, outside of a job and within its own."""

import asyncio
import inspect
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from app import calls, context
from app.catalogue import Catalogue
from app.errors import (
    InvalidArguments,
    InvalidResult,
    InvalidTaskName,
    InvalidTaskOption,
    MissingAnnotation,
    NotConnected,
    UnserializableResult,
)
from app.options import DEFAULT_OPTIONS, JobOptions
from app.tasks import declared_tasks, task


class Receipt(BaseModel):
    to: str
    at: datetime


AT = datetime(2030, 1, 1, tzinfo=UTC)


@task
def send(to: str, times: Annotated[int, Field(ge=1)] = 1, *, copy: bool = False) -> Receipt:
    """Send one e-mail.

    It is sent
        over SMTP.
    """
    return Receipt(to=f"{to} x{times}{' with a copy' if copy else ''}", at=AT)


@task
async def send_later(to: str) -> Receipt:
    await asyncio.sleep(0)
    return Receipt(to=to, at=AT)


class FakeJob:
    """A running job, as `app.context.RunningJob` has it."""

    id = "a-job"
    attempt = 2

    def __init__(self):
        self.judge = None
        self.steps = []

    def begin(self, *, log):
        self.steps.append(f"begin log={log}")

    def end(self):
        self.steps.append("end")

    def claim(self, judge):
        first = self.judge is None
        self.judge = self.judge or judge
        return first

    def is_for_queue(self, value):
        return value == "again, please"


@pytest.fixture
def job():
    job, before = FakeJob(), context._source
    context.connect(lambda: job)
    yield job
    context.connect(before)


def run(called, *args, **kwargs):
    value = called(*args, **kwargs)
    return asyncio.run(value) if inspect.iscoroutine(value) else value


class FakeEnqueuer:
    def __init__(self):
        self.given = []

    def enqueue(self, task, args, options):
        self.given.append((task, args, options))
        return "the job"

    async def aenqueue(self, task, args, options):
        return self.enqueue(task, args, options)


@pytest.fixture
def enqueuer():
    enqueuer, before = FakeEnqueuer(), calls._enqueuer
    calls.connect(lambda: enqueuer)
    yield enqueuer
    calls.connect(before)


# Declaring.


def test_a_bare_task_is_named_after_its_function_and_has_the_default_options():
    assert (send.name, send.path) == ("send", f"{__name__}.send")
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
    assert (send.__name__, send.__qualname__, send.__module__) == ("send", "send", __name__)
    assert list(inspect.signature(send).parameters) == ["to", "times", "copy"]
    assert send.description == "Send one e-mail.\n\nIt is sent\n    over SMTP."
    assert repr(send) == f"<Task send at {__file__}:{send.function.__code__.co_firstlineno} send>"
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


# Called outside of a job.


def test_a_direct_call_runs_the_function_with_what_it_was_given_validated():
    assert send("ada") == Receipt(to="ada x1", at=AT)
    assert send("ada", 2, copy=True).to == "ada x2 with a copy"
    assert send(to="ada", times="3").to == "ada x3"


@pytest.mark.parametrize(
    ("args", "options"),
    [(("ada", 0), {}), ((1,), {}), ((), {}), (("ada",), {"subject": "x"})],
)
def test_a_direct_call_that_does_not_fit_is_refused(args, options):
    with pytest.raises(ValidationError):
        send(*args, **options)


def test_a_direct_call_gives_what_the_function_returns_whatever_was_promised():
    @task
    def function(x: Any) -> int:
        return x

    value = object()
    assert function(value) is value


def test_a_direct_call_of_an_async_task_is_awaited():
    assert asyncio.run(send_later("ada")) == Receipt(to="ada", at=AT)


# Called as the job's own.


def test_a_jobs_own_call_reduces_its_result(job):
    assert send(to="ada") == {"to": "ada x1", "at": "2030-01-01T00:00:00Z"}


def test_a_jobs_own_call_of_an_async_task_reduces_its_result(job):
    assert asyncio.run(send_later(to="ada")) == {"to": "ada", "at": "2030-01-01T00:00:00Z"}


def test_a_task_that_a_job_calls_is_not_the_jobs_own_call(job):
    inner = []

    @task
    def outer() -> int:
        inner.append(send("ada"))
        return 1

    assert outer() == 1
    assert inner == [Receipt(to="ada x1", at=AT)]


def test_a_job_takes_what_json_has_made_of_its_arguments(job):
    taken = []

    @task
    def function(at: Annotated[datetime, Field(strict=True)], names: set[str]) -> None:
        taken.append((at, names))

    function(at="2030-01-01T00:00:00Z", names=["a", "a"])

    assert taken == [(AT, {"a"})]


def test_a_job_of_a_plain_client_may_pass_arguments_by_position(job):
    assert send("ada", 2)["to"] == "ada x2"


@pytest.mark.parametrize(
    ("args", "stored"),
    [
        ((), {"to": "ada", "times": 0}),
        ((), {"receiver": "ada"}),
        ((), {"to": object()}),
        (("ada", 1, False), {}),
        (("ada",), {"to": "ada"}),
    ],
    ids=["a value", "a name", "no JSON", "too many", "twice"],
)
@pytest.mark.parametrize("called", [send, send_later])
def test_arguments_that_were_stored_for_another_signature_fail_the_job_for_good(
    job, called, args, stored
):
    with pytest.raises(InvalidArguments, match=f"do not fit the task '{called.name}'") as refused:
        run(called, *args, **stored)

    assert refused.value.facts["errors"]
    assert job.judge(refused.value)


@pytest.mark.parametrize(
    "value", [object(), float("nan"), "\ud800", b"\xff"], ids=["object", "float", "str", "bytes"]
)
def test_a_result_that_json_cannot_hold_fails_the_job_for_good_and_names_the_type(job, value):
    @task
    def function() -> Any:
        return {"deep": [value]}

    named = f"'function' holds '{type(value).__name__}',"
    with pytest.raises(UnserializableResult, match=named) as bad:
        function()

    assert job.judge(bad.value)


def test_a_result_that_was_not_promised_fails_the_job_for_good(job):
    @task
    def function() -> int:
        return "many"

    with pytest.raises(InvalidResult, match="'function' returned what") as bad:
        function()

    assert job.judge(bad.value)


def test_what_is_meant_for_the_queue_is_passed_on_as_it_is(job):
    @task
    def function() -> int:
        return "again, please"

    assert function() == "again, please"


class Refused(Exception):
    pass


class RefusedForGood(Refused):
    pass


@pytest.mark.parametrize("wait", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize(
    ("raised", "final"), [(Refused, False), (RefusedForGood, True), (LookupError, True)]
)
def test_a_job_gives_up_on_what_its_task_says_and_on_nothing_else(job, wait, raised, final):
    if wait:

        @task(give_up_on=(RefusedForGood, LookupError))
        async def function() -> None:
            raise raised
    else:

        @task(give_up_on=(RefusedForGood, LookupError))
        def function() -> None:
            raise raised

    with pytest.raises(raised) as seen:
        run(function)

    assert bool(job.judge(seen.value)) is final


@pytest.mark.parametrize(
    ("raised", "final"), [(Refused, False), (RefusedForGood, True), (LookupError, True)]
)
def test_only_what_is_to_be_retried_is_save_what_is_given_up_on(job, raised, final):
    @task(retry_on=(Refused,), give_up_on=(RefusedForGood,))
    def function() -> None:
        raise raised

    with pytest.raises(raised) as seen:
        function()

    assert bool(job.judge(seen.value)) is final


def test_nothing_is_retried_where_nothing_is_to_be(job):
    @task(retry_on=())
    def function() -> None:
        raise Refused

    with pytest.raises(Refused) as seen:
        function()

    assert job.judge(seen.value)


def test_data_that_do_not_fit_are_not_retried_whatever_is_said(job):
    @task(retry_on=(Exception,))
    def function() -> int:
        return "many"

    with pytest.raises(InvalidResult) as seen:
        function()

    assert job.judge(seen.value)


def test_a_validation_error_within_the_task_may_be_mended_by_another_attempt(job):
    @task
    def function() -> None:
        Receipt.model_validate({"what": "another service answered"})

    with pytest.raises(ValidationError) as seen:
        function()

    assert not job.judge(seen.value)


# Enqueueing.


def test_a_call_is_enqueued_with_its_arguments_reduced(enqueuer):
    assert send.enqueue("ada", copy=True) == "the job"

    expected = {"to": "ada", "times": 1, "copy": True}
    assert enqueuer.given == [(send, expected, DEFAULT_OPTIONS)]


def test_a_call_is_enqueued_from_an_event_loop_the_same(enqueuer):
    assert asyncio.run(send.aenqueue("ada")) == "the job"

    assert enqueuer.given == [(send, {"to": "ada", "times": 1, "copy": False}, DEFAULT_OPTIONS)]


def test_a_call_takes_options_beside_its_arguments(enqueuer):
    send.with_options(queue="low", delay=60).enqueue(to="ada")
    asyncio.run(send.with_options(front=True).aenqueue(to="ada"))

    assert [options for *_, options in enqueuer.given] == [
        JobOptions(queue="low", delay=60),
        JobOptions(front=True),
    ]


@pytest.mark.parametrize(
    "options",
    [{"delay": -1}, {"delay": float("nan")}, {"timeout": 0}, {"retries": -1}, {"speed": 9}],
)
def test_an_option_that_does_not_fit_is_refused(enqueuer, options):
    with pytest.raises(ValidationError):
        send.with_options(**options)


@pytest.mark.parametrize("value", [float("nan"), "\ud800", object(), b"\xff"])
def test_nothing_that_json_cannot_hold_is_enqueued(enqueuer, value):
    @task
    def function(x: Any, y: int) -> None: ...

    with pytest.raises(InvalidArguments) as refused:
        function.enqueue(value, y="?")
    assert [found["loc"] for found in refused.value.facts["errors"]] == [["y"]]
    with pytest.raises(InvalidArguments) as refused:
        asyncio.run(function.aenqueue(value, y=1))

    assert [found["loc"] for found in refused.value.facts["errors"]] == [["x"]]
    assert refused.value.facts["task"] == "function"
    assert enqueuer.given == []


def test_parameters_may_be_named_as_the_methods_own_are(enqueuer, job):
    @task
    def function(self: int, task: int, options: int, args: int, kwargs: int) -> int:
        return self + task + options + args + kwargs

    values = {"self": 1, "task": 2, "options": 3, "args": 4, "kwargs": 5}
    function.enqueue(**values)
    asyncio.run(function.aenqueue(**values))
    function.with_options(delay=1).enqueue(**values)
    asyncio.run(function.with_options(delay=1).aenqueue(**values))

    assert [args for _, args, _ in enqueuer.given] == [values] * 4
    assert function(**values) == function(**values) == 15


def test_tasks_that_no_queue_is_connected_to_say_so():
    with pytest.raises(NotConnected, match="import them through the package `app`"):
        calls._no_enqueuer()


def test_a_module_that_is_loaded_again_replaces_its_own_tasks():
    def load():
        @task
        def twice() -> None: ...

        return twice

    first, second = load(), load()

    assert [found for found in declared_tasks() if found.name == "twice"] == [second]
    assert len(Catalogue([second])) == 1
    assert first is not second


@pytest.mark.parametrize("log", [True, False])
def test_a_job_is_told_when_its_function_begins_and_ends(job, log):
    @task(log=log)
    def run() -> None:
        """Note that it runs."""
        job.steps.append("runs")

    run()
    run()  # within the job, so it is told nothing more

    assert job.steps == [f"begin log={log}", "runs", "end", "runs"]


def test_a_job_is_told_of_the_end_of_a_function_that_raises(job):
    @task
    async def fail() -> None:
        """Fail on an event loop."""
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(fail())

    assert job.steps == ["begin log=True", "end"]
