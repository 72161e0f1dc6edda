"""A call of a task outside of a job."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from app.tasks import task
from tests.tasks.sample_tasks import AT, Receipt, send, send_later


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
