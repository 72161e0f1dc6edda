"""What values become that are stored, and that they come back as what they were."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    Json,
    StrictInt,
    ValidationError,
    computed_field,
)

from tests.arguments.conftest import arguments_of, problems
from tests.schema_types import Color, Line, Pair, Point, Size, Tree


def test_models_dataclasses_tuples_and_enums_come_back_as_what_they_were():
    def function(line: Line, size: Size, pair: Pair, colors: set[Color], path: Path) -> None: ...

    values = {
        "line": Line(start=Point(x=1), ends=[Point(x=2, y=3)]),
        "size": Size(4),
        "pair": Pair(1, "a"),
        "colors": {Color.RED},
        "path": Path("a/b"),
    }
    arguments = arguments_of(function)

    stored = arguments.parse(**values)

    assert stored == {
        "line": {"start": {"x": 1.0, "y": 0.0}, "ends": [{"x": 2.0, "y": 3.0}]},
        "size": {"width": 4, "height": 1},
        "pair": [1, "a"],
        "colors": ["red"],
        "path": "a/b",
    }
    assert arguments.load(**stored) == values


def test_dates_numbers_and_ids_come_back_as_what_they_were():
    def function(
        at: datetime, on: date, after: timedelta, cost: Decimal, key: UUID, big: int
    ) -> None: ...

    values = {
        "at": datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "on": date(2030, 1, 2),
        "after": timedelta(days=1, seconds=2),
        "cost": Decimal("0.10"),
        "key": UUID(int=7),
        "big": 2**100,
    }
    arguments = arguments_of(function)

    stored = arguments.parse(**values)

    assert {type(value) for value in stored.values()} == {str, int}
    assert arguments.load(**stored) == values


def test_a_strict_parameter_takes_its_own_type_alone_and_comes_back_from_json():
    def function(n: StrictInt, at: Annotated[datetime, Field(strict=True)]) -> None: ...

    arguments = arguments_of(function)
    at = datetime(2030, 1, 1, tzinfo=UTC)

    with pytest.raises(ValidationError) as refused:
        arguments.parse(n="1", at="2030-01-01T00:00:00Z")
    assert problems(refused) == [(("n",), "int_type"), (("at",), "datetime_type")]
    assert arguments.load(**arguments.parse(n=1, at=at)) == {"n": 1, "at": at}


def test_a_value_that_is_parsed_from_text_is_stored_as_text_again():
    class Counted(BaseModel):
        model_config = ConfigDict(extra="forbid")
        items: Json[list[int]]

        @computed_field
        @property
        def count(self) -> int:
            return len(self.items)

    def function(counted: Counted) -> None: ...

    arguments = arguments_of(function)
    stored = arguments.parse_json(b'{"counted": {"items": "[1, 2]"}}')

    assert stored == {"counted": {"items": "[1,2]"}}
    assert arguments.load(**stored)["counted"].count == 2


def test_validators_of_the_users_own_are_run():
    def shout(text: str) -> str:
        if not text:
            raise ValueError("say something")
        return text.upper()

    def function(text: Annotated[str, AfterValidator(shout)]) -> None: ...

    arguments = arguments_of(function)

    assert arguments.parse_json(b'{"text": "hi"}') == {"text": "HI"}
    with pytest.raises(ValidationError, match="say something"):
        arguments.parse_json(b'{"text": ""}')


def test_a_model_that_holds_itself_will_do():
    def function(tree: Tree) -> None: ...

    stored = arguments_of(function).parse_json(
        b'{"tree": {"name": "a", "children": [{"name": "b"}]}}'
    )

    assert stored["tree"]["children"] == [{"name": "b", "children": []}]


def test_an_email_address_is_checked():
    def function(to: EmailStr) -> None: ...

    with pytest.raises(ValidationError, match="@-sign"):
        arguments_of(function).parse_json(b'{"to": "ada"}')
