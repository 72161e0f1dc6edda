"""A function's signature: what it lacks, and annotations that make no schema."""

from collections.abc import Callable
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from app.arguments import Arguments
from app.errors import (
    MissingAnnotation,
    MissingResultAnnotation,
    SeveralMistakes,
    UnresolvedAnnotation,
    UnsupportedParameter,
)
from app.result import Result
from app.signature import check_annotated, place_of
from tests.schema_types import Color, Line


def arguments_of(function):
    return Arguments(function, title="test")


def test_a_place_says_file_line_and_function():
    def function() -> None: ...

    line = function.__code__.co_firstlineno
    assert place_of(function) == f"{__file__}:{line} {function.__qualname__}"


def test_a_missing_annotation_is_named_with_its_place():
    def function(to: str, subject) -> None: ...

    with pytest.raises(MissingAnnotation, match="'subject' has no type annotation") as refused:
        check_annotated(function)

    assert str(refused.value).startswith(place_of(function))


def test_all_that_a_signature_lacks_is_told_at_once():
    def function(to, subject: str, *rest): ...

    with pytest.raises(SeveralMistakes) as refused:
        check_annotated(function)

    kinds = [type(each) for each in refused.value.facts["mistakes"]]
    assert kinds == [MissingAnnotation, UnsupportedParameter, MissingResultAnnotation]
    assert str(refused.value).count(f"\n- {place_of(function)}: ") == 3


def test_a_missing_annotation_of_the_result_is_named_with_its_place():
    def function(to: str): ...

    with pytest.raises(MissingResultAnnotation, match="no return annotation") as refused:
        check_annotated(function)

    assert str(refused.value).startswith(place_of(function))


def variadic(*numbers: int) -> None: ...
def named(**options: int) -> None: ...
def positional(a: int, /) -> None: ...


@pytest.mark.parametrize(
    ("function", "parameter"),
    [(variadic, r"\*numbers: int"), (named, r"\*\*options: int"), (positional, "a: int")],
)
def test_a_parameter_that_cannot_be_given_by_name_is_refused(function, parameter):
    with pytest.raises(
        UnsupportedParameter, match=f"{parameter}' cannot be given by name"
    ) as refused:
        check_annotated(function)

    assert str(refused.value).startswith(place_of(function))


def test_a_string_annotation_is_read():
    def function(line: "Line", colors: "list[Color]") -> "Line": ...

    arguments = arguments_of(function)

    assert arguments.load(**arguments.parse({"start": {"x": 1}}, ["red"]))["colors"] == [Color.RED]
    assert Result(function).schema["title"] == "Line"


class Later(BaseModel):
    what: "NeverDefined"  # noqa: F821


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ("NeverDefined", "NeverDefined"),
        ("Line.nothing", "nothing"),
        ("list[", "Forward reference must be an expression"),
        (Later, "not fully defined"),
        (Callable[[], int], "JsonSchema"),
        (type(lambda: 0), "Unable to generate"),
        (Annotated[str, Field(pattern="(")], "regex parse error"),
    ],
    ids=str,
)
def test_an_annotation_that_makes_no_schema_is_named_with_its_place(annotation, reason):
    def takes(value: annotation) -> None: ...

    def gives() -> annotation: ...

    with pytest.raises(UnresolvedAnnotation) as refused:
        arguments_of(takes)
    assert reason in str(refused.value)
    assert str(refused.value).startswith(place_of(takes))
    with pytest.raises(UnresolvedAnnotation) as refused:
        Result(gives)
    assert str(refused.value).startswith(place_of(gives))
