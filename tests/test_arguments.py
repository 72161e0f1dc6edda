"""A task's arguments: what is taken, how it is stored, and what is refused."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    Json,
    JsonValue,
    SecretBytes,
    SecretStr,
    StrictInt,
    ValidationError,
    computed_field,
)

from app.arguments import Arguments
from app.errors import UnsupportedParameter
from app.signature import place_of
from tests.schema_types import Color, Line, Login, Pair, Point, Size, Tree, name_of


def arguments_of(function):
    return Arguments(function, title="test")


def problems(error):
    return [(found["loc"], found["type"]) for found in error.value.errors()]


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


AWKWARD = (
    *("json", "copy", "dict", "schema", "root", "include", "model_config", "model_fields"),
    *("self", "cls", "args", "kwargs", "p0", "p1", "größe"),
)


@pytest.mark.parametrize("name", AWKWARD)
def test_a_parameter_may_have_any_name(name):
    namespace = {}
    exec(f"def function(first: int, {name}: int) -> None: ...", namespace)
    arguments = arguments_of(namespace["function"])

    assert arguments.parse(1, **{name: 2}) == {"first": 1, name: 2}
    assert arguments.parse(1, 2) == {"first": 1, name: 2}
    assert arguments.bind(1, **{name: 2}) == {"first": 1, name: 2}
    assert arguments.load(**{"first": 1, name: 2}) == {"first": 1, name: 2}
    assert list(arguments.schema["properties"]) == ["first", name]


def test_an_alias_of_the_users_own_gives_way_to_the_parameters_name():
    def function(number: Annotated[int, Field(alias="n", ge=1)] = 1) -> None: ...

    arguments = arguments_of(function)

    assert arguments.parse_json(b'{"number": 2}') == {"number": 2}
    with pytest.raises(ValidationError) as refused:
        arguments.parse_json(b'{"n": 2, "number": 0}')
    assert sorted(problems(refused)) == [
        (("n",), "extra_forbidden"),
        (("number",), "greater_than_equal"),
    ]


def test_keyword_only_parameters_are_given_by_name():
    def function(a: int, *, b: int) -> None: ...

    arguments = arguments_of(function)

    assert arguments.parse(1, b=2) == {"a": 1, "b": 2}
    with pytest.raises(TypeError, match="too many positional arguments"):
        arguments.parse(1, 2)


def test_an_argument_that_is_given_twice_is_an_error():
    def function(a: int) -> None: ...

    with pytest.raises(TypeError, match="given twice: a"):
        arguments_of(function).parse(1, a=1)


def test_a_function_without_parameters_takes_an_empty_object():
    def function() -> None: ...

    arguments = arguments_of(function)

    assert arguments.parse_json(b"{}") == arguments.parse() == arguments.load() == {}
    with pytest.raises(ValidationError):
        arguments.parse_json(b'{"a": 1}')


def test_a_plain_clients_positional_arguments_are_loaded_too():
    def function(a: int, b: datetime) -> None: ...

    at = datetime(2030, 1, 1, tzinfo=UTC)

    assert arguments_of(function).load(1, b=at) == {"a": 1, "b": at}


def test_the_schema_names_limits_defaults_and_refuses_the_unknown():
    def function(
        to: Annotated[str, Field(max_length=9, description="whom")], n: int = 3
    ) -> None: ...

    assert arguments_of(function).schema == {
        "title": "test",
        "type": "object",
        "additionalProperties": False,
        "required": ["to"],
        "properties": {
            "to": {"title": "To", "type": "string", "maxLength": 9, "description": "whom"},
            "n": {"title": "N", "type": "integer", "default": 3},
        },
    }


# What JSON cannot hold.


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


# What is refused at start.


T = TypeVar("T")


class Holder(BaseModel, Generic[T]):
    held: T


@dataclass
class Key:
    key: SecretBytes


@pytest.mark.parametrize(
    "annotation",
    [
        SecretStr,
        SecretBytes,
        SecretStr | None,
        list[SecretStr],
        Annotated[SecretStr, Field(min_length=8)],
        dict[str, tuple[SecretBytes, int]],
        Login,
        list[Login] | None,
        Holder[Login],
        Key,
    ],
    ids=str,
)
def test_a_secret_is_refused_however_deep_it_lies(annotation):
    def function(a: int, hidden: annotation) -> None: ...

    with pytest.raises(UnsupportedParameter, match="'hidden' is or holds a secret") as refused:
        arguments_of(function)

    assert str(refused.value).startswith(place_of(function))


def test_a_model_that_holds_itself_is_no_secret():
    def function(tree: Tree) -> None: ...

    assert "$defs" in arguments_of(function).schema


@pytest.mark.parametrize(
    ("annotation", "default", "reason"),
    [
        (int, None, "valid integer"),
        (Annotated[int, Field(ge=1)], 0, "greater than or equal to 1"),
        (float, math.inf, "JSON cannot hold 'float'"),
        (Any, math.nan, "JSON cannot hold 'float'"),
        (Any, object(), "JSON cannot hold 'object'"),
        (str, "\ud800", "JSON cannot hold 'str'"),
        (Point, {"x": "?"}, "valid number"),
    ],
    ids=name_of,
)
def test_a_default_that_no_worker_could_read_back_is_refused(annotation, default, reason):
    def function(a: int, b: annotation = default) -> None: ...

    with pytest.raises(UnsupportedParameter, match="'b' has a default") as refused:
        arguments_of(function)

    assert reason in str(refused.value)
    assert str(refused.value).startswith(place_of(function))
