"""Examples of request bodies, made from the body's model."""

import enum
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import pytest
from pydantic import BaseModel, EmailStr, Field, HttpUrl, JsonValue, create_model

from app.api.example import example_body


class Size(enum.IntEnum):
    SMALL = 3
    LARGE = 7


class Address(BaseModel):
    street: str
    country: str = "CH"


class Node(BaseModel):
    name: str
    next: Self | None
    children: list[Self]


def model_of(annotation, default=...):
    return create_model("Body", value=(annotation, default))


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, "value"),
        (Annotated[str, Field(min_length=8)], "value..."),
        (Annotated[str, Field(max_length=3)], "val"),
        (Annotated[str, Field(examples=["Hello", "Bye"])], "Hello"),
        (EmailStr, "ada@example.com"),
        (HttpUrl, "https://example.com/"),
        (date, "2030-01-31"),
        (datetime, "2030-01-31T12:00:00Z"),
        (timedelta, "PT1M"),
        (UUID, "018f4e9a-7c3b-7d2e-9f10-2b6c8d4e5f60"),
        (int, 1),
        (Annotated[int, Field(ge=5)], 5),
        (Annotated[int, Field(gt=5)], 6),
        (Annotated[int, Field(le=-2)], -2),
        (Annotated[float, Field(ge=0.5, le=0.9)], 0.5),
        (bool, True),
        (None, None),
        (Size, 3),
        (Literal["b", "a"], "b"),
        (Literal["only"], "only"),
        (str | None, "value"),
        (None | int, 1),
        (list[int], []),
        (Annotated[list[int], Field(min_length=2)], [1, 1]),
        (tuple[int, ...], []),
        (dict[str, int], {}),
        (Address, {"street": "street"}),
        (Annotated[list[Address], Field(min_length=1)], [{"street": "street"}]),
        (Any, {}),
        (JsonValue, {}),
    ],
)
def test_what_is_required_is_made_of_its_schema(annotation, expected):
    assert example_body(model_of(annotation)) == {"value": expected}


def test_what_may_be_left_out_is_left_out():
    assert example_body(model_of(int, 5)) == {}


def test_an_example_of_what_may_be_left_out_is_shown():
    assert example_body(model_of(int, Field(5, examples=[7]))) == {"value": 7}


def test_a_body_that_the_model_would_refuse_is_none():
    assert example_body(model_of(Annotated[str, Field(pattern=r"^\d{4}$")])) is None


def test_an_example_of_the_author_s_that_does_not_fit_is_none_too():
    assert example_body(model_of(Annotated[int, Field(examples=["many"])])) is None


def test_a_model_that_holds_itself_comes_to_an_end():
    body = example_body(model_of(Node))

    assert body is None or body["value"]["name"] == "name"


def test_a_model_without_fields_has_an_empty_example():
    assert example_body(create_model("Body")) == {}
