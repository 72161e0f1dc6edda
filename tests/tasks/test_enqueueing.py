"""A task's methods that enqueue a call of it."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from app import calls
from app.errors import InvalidArguments, NotConnected
from app.options import DEFAULT_OPTIONS, JobOptions
from app.tasks import task
from tests.tasks.sample_tasks import send


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
