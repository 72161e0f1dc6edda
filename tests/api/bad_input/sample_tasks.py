"""Tasks that take models, choices, numbers, and whatever JSON can say."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue

from app.tasks import task


class Point(BaseModel):
    x: float
    y: float = 0


@task
def draw(
    points: list[Point],
    colour: Literal["red", "blue"] = "red",
    width: Annotated[int, Field(ge=1, le=9)] = 1,
) -> None: ...


@task
def measure(length: float) -> None: ...


@task
def keep(value: Any) -> None: ...


@task
def store(value: JsonValue) -> None: ...
