"""A call's arguments: what is taken and what is refused, with its place."""

import math
from datetime import UTC, datetime
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from tests.arguments.conftest import arguments_of, problems
from tests.schema_types import Color, Line


def test_a_call_is_reduced_to_json_by_the_parameters_names():
    def function(to: str, when: datetime, color: Color = Color.RED) -> None: ...

    arguments = arguments_of(function)

    expected = {"to": "ada", "when": "2030-01-02T03:04:05Z", "color": "blue"}
    when = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert arguments.parse("ada", when, color=Color.BLUE) == expected
    assert arguments.parse(to="ada", when=when, color="blue") == expected
    body = b'{"to": "ada", "when": "2030-01-02T03:04:05Z", "color": "blue"}'
    assert arguments.parse_json(body) == expected


def test_what_is_left_out_is_stored_with_its_default():
    def function(a: int, b: int = 2, *, c: list[int] = [], d: int = Field(4, ge=1)) -> None: ...  # noqa: B006

    assert arguments_of(function).parse_json(b'{"a": 1}') == {"a": 1, "b": 2, "c": [], "d": 4}


def test_a_mutable_default_is_not_shared_between_calls():
    def function(items: list[int] = []) -> None: ...  # noqa: B006

    arguments = arguments_of(function)
    arguments.bind()["items"].append(1)

    assert arguments.bind() == {"items": []}


def test_a_default_may_be_made_for_each_call():
    numbers = iter(range(100))

    def function(number: Annotated[int, Field(default_factory=lambda: next(numbers))]) -> None: ...

    arguments = arguments_of(function)
    first = arguments.parse()["number"]

    assert arguments.parse() == {"number": first + 1}


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        (b"{}", ("to",), "missing"),
        (b'{"to": 1}', ("to",), "string_type"),
        (b'{"to": "a", "times": 0}', ("times",), "greater_than_equal"),
        (b'{"to": "a", "times": 11}', ("times",), "less_than_equal"),
        (b'{"to": "a", "color": "green"}', ("color",), "enum"),
        (b'{"to": "a", "size": "L"}', ("size",), "literal_error"),
        (b'{"to": "a", "line": {"start": {"x": "?"}}}', ("line", "start", "x"), "float_parsing"),
        (
            b'{"to": "a", "line": {"start": {"x": 1, "z": 1}}}',
            ("line", "start", "z"),
            "extra_forbidden",
        ),
        (b'{"to": "a", "subject": "b"}', ("subject",), "extra_forbidden"),
        (b'{"to": "a", "p0": "b"}', ("p0",), "extra_forbidden"),
        (b"[]", (), "model_type"),
        (b"null", (), "model_type"),
        (b"{", (), "json_invalid"),
        (b"", (), "json_invalid"),
        (b'{"to": "\\ud800"}', (), "json_invalid"),
        (b'{"to": "\xff"}', (), "json_invalid"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_its_place(body, place, kind):
    def function(
        to: str,
        times: Annotated[int, Field(ge=1, le=10)] = 1,
        color: Color = Color.RED,
        size: Literal["S", "M"] = "S",
        line: Line | None = None,
    ) -> None: ...

    with pytest.raises(ValidationError) as refused:
        arguments_of(function).parse_json(body)

    assert (place, kind) in problems(refused)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("annotation", [float, float | None, list[float]])
def test_numbers_that_are_none_are_refused(number, annotation):
    def function(x: annotation) -> None: ...

    value = [number] if annotation == list[float] else number
    with pytest.raises(ValidationError) as refused:
        arguments_of(function).parse(x=value)

    assert "finite_number" in {kind for _, kind in problems(refused)}
