"""The signatures that are refused at start: secrets, and defaults that nobody could read back."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from app.errors import UnsupportedParameter
from app.signature import place_of
from tests.arguments.conftest import arguments_of
from tests.schema_types import Login, Point, Tree, name_of

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
