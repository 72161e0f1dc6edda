"""What JSON cannot hold."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue, ValidationError

from tests.arguments.conftest import arguments_of, problems


@pytest.mark.parametrize("annotation", [Any, object, JsonValue, dict[str, Any], list[Any]])
@pytest.mark.parametrize(
    ("value", "type_name"),
    [(math.nan, "float"), (math.inf, "float"), ("a\ud800", "str"), (object(), "object")],
)
def test_what_json_cannot_hold_is_refused_from_python_with_its_place(annotation, value, type_name):
    def function(x: annotation, other: int = 1) -> None: ...

    wrapped = {dict[str, Any]: {"a": [value]}, list[Any]: [{"a": value}]}.get(annotation, value)
    with pytest.raises(ValidationError) as refused:
        arguments_of(function).parse(x=wrapped)

    [problem] = refused.value.errors()
    assert problem["loc"][0] == "x"
    if problem["type"] == "not_json":  # else Pydantic's own check was first
        assert problem["msg"].startswith(f"JSON cannot hold '{type_name}' (")


@pytest.mark.parametrize(
    "value", [b"\xff", 10**5000, {"a": {1, object()}}], ids=["bytes", "number", "set"]
)
def test_bytes_that_are_no_text_and_endless_numbers_are_refused_from_python(value):
    def function(x: Any) -> None: ...

    with pytest.raises(ValidationError) as refused:
        arguments_of(function).parse(x=value)

    assert problems(refused) == [(("x",), "not_json")]


def test_a_list_that_holds_itself_or_has_no_end_is_refused_from_python():
    def function(x: Any) -> None: ...

    itself, deep = [], []
    itself.append(itself)
    for _ in range(100_000):
        deep = [deep]

    for value in (itself, deep):
        with pytest.raises(ValidationError) as refused:
            arguments_of(function).parse(x=value)
        assert problems(refused) == [(("x",), "not_json")]


def test_a_model_does_not_hide_what_json_cannot_hold():
    class Loose(BaseModel):
        text: str = ""
        number: float = 0
        anything: Any = None

    def function(m: Loose, text: str = "") -> None: ...

    arguments = arguments_of(function)

    for fields in ({"text": "\ud800"}, {"number": math.nan}, {"anything": [math.inf]}):
        with pytest.raises(ValidationError) as refused:
            arguments.parse(m=Loose(**fields))
        assert problems(refused) == [(("m",), "not_json")]
    with pytest.raises(ValidationError) as refused:
        arguments.parse(m=Loose(), text="\ud800")
    assert problems(refused) == [(("text",), "not_json")]


def test_every_argument_that_json_cannot_hold_is_named():
    def function(a: Any, b: Any, c: Any) -> None: ...

    with pytest.raises(ValidationError) as refused:
        arguments_of(function).parse(math.nan, 1, object())

    assert problems(refused) == [(("a",), "not_json"), (("c",), "not_json")]


def test_a_value_of_no_schema_is_reduced_to_jsons_types():
    def function(x: Any) -> None: ...

    stored = arguments_of(function).parse(
        x={1: {"at": datetime(2030, 1, 1, tzinfo=UTC)}, "s": (1, 2)}
    )

    assert stored == {"x": {"1": {"at": "2030-01-01T00:00:00Z"}, "s": [1, 2]}}
