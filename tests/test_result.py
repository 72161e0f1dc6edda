"""A task's result: how it is reduced, and what JSON cannot hold."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import (
    BaseModel,
    ValidationError,
    computed_field,
)

from app.json_limits import UnfitForJson
from app.result import Result
from tests.schema_types import Color, Line, Pair, Point, name_of


@dataclass
class Outcome:
    at: datetime
    id: UUID
    cost: Decimal
    colors: set[Color]
    points: dict[str, Point]


def test_a_result_is_reduced_to_jsons_types():
    def function() -> Outcome: ...

    outcome = Outcome(
        at=datetime(2030, 1, 1, tzinfo=UTC),
        id=UUID(int=1),
        cost=Decimal("1.50"),
        colors={Color.BLUE},
        points={"a": Point(x=1)},
    )

    assert Result(function).reduce(outcome) == {
        "at": "2030-01-01T00:00:00Z",
        "id": "00000000-0000-0000-0000-000000000001",
        "cost": "1.50",
        "colors": ["blue"],
        "points": {"a": {"x": 1.0, "y": 0.0}},
    }


@pytest.mark.parametrize(
    ("annotation", "value", "reduced"),
    [
        (None, None, None),
        (int, 2**80, 2**80),
        (Any, {"a": (1, {2})}, {"a": [1, [2]]}),
        (dict[int, str], {1: "a"}, {"1": "a"}),
        (Pair, Pair(1, "a"), [1, "a"]),
        (bytes, b"text", "text"),
        (Line, {"start": {"x": 1}}, {"start": {"x": 1.0, "y": 0.0}, "ends": []}),
        (list[Point] | None, [Point(x=1)], [{"x": 1.0, "y": 0.0}]),
    ],
    ids=str,
)
def test_results_of_many_kinds_are_reduced(annotation, value, reduced):
    def function() -> annotation: ...

    assert Result(function).reduce(value) == reduced


def test_a_result_that_is_not_what_was_promised_is_refused():
    def function() -> int: ...

    with pytest.raises(ValidationError, match="valid integer"):
        Result(function).reduce("many")


class Note(BaseModel):
    text: str = ""
    number: float = 0.0
    data: bytes = b""
    anything: Any = None


@pytest.mark.parametrize(
    ("annotation", "value", "type_name"),
    [
        (Any, object(), "object"),
        (Any, {"a": [object()]}, "object"),
        (Any, lambda: 0, "function"),
        (Any, math.nan, "float"),
        (float, math.inf, "float"),
        (list[float], [1.0, -math.inf], "float"),
        (Any, {"a": math.nan}, "float"),
        (Note, Note(number=math.nan), "float"),
        (Note, Note(anything=math.nan), "float"),
        (Any, "\ud800", "str"),
        (str, "\ud800", "str"),
        (Note, Note(text="\ud800"), "str"),
        (Any, {"\ud800": 1}, "str"),
        (Any, b"\xff", "bytes"),
        (bytes, b"\xff", "bytes"),
        (Note, Note(data=b"\xff"), "bytes"),
        (Any, [b"\xff"], "bytes"),
        (Any, 10**5000, "int"),
        (int, 10**5000, "int"),
    ],
    ids=name_of,
)
def test_a_result_that_json_cannot_hold_is_refused_with_its_type(annotation, value, type_name):
    def function() -> annotation: ...

    with pytest.raises(UnfitForJson) as refused:
        Result(function).reduce(value)

    assert refused.value.type_name == type_name


def test_a_result_without_end_is_refused():
    def function() -> Any: ...

    itself, deep = [], []
    itself.append(itself)
    for _ in range(100_000):
        deep = [deep]

    for value in (itself, deep):
        with pytest.raises(UnfitForJson) as refused:
            Result(function).reduce(value)
        assert refused.value.type_name == "list"


def test_the_results_schema_is_that_of_what_is_sent():
    class Sum(BaseModel):
        parts: list[int]

        @computed_field
        @property
        def total(self) -> int:
            return sum(self.parts)

    def function() -> Sum: ...

    result = Result(function)

    assert result.schema["required"] == ["parts", "total"]
    assert result.reduce(Sum(parts=[1, 2])) == {"parts": [1, 2], "total": 3}
