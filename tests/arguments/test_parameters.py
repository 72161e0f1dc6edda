"""The parameters: their names, how they are given, and the schema that tells of them."""

from datetime import UTC, datetime
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from tests.arguments.conftest import arguments_of, problems

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
