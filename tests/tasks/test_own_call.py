"""A job's own call of its task: what is reduced, and what fails for good."""

import asyncio
import inspect
from datetime import datetime
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from app.errors import InvalidArguments, InvalidResult, UnserializableResult
from app.tasks import task
from tests.tasks.sample_tasks import AT, Receipt, send, send_later


def run(called, *args, **kwargs):
    value = called(*args, **kwargs)
    return asyncio.run(value) if inspect.iscoroutine(value) else value


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
