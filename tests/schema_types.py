"""Types of all kinds, as the signatures of tasks may have them."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, SecretStr


def name_of(value):
    """Name a test by a value, the same in every process: without its address."""
    name = "long" if isinstance(value, int) else str(value)
    return re.sub(r" at 0x[0-9a-f]+", "", name)[:60]


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    model_config = ConfigDict(extra="forbid")

    x: float
    y: float = 0.0


class Line(BaseModel):
    start: Point
    ends: list[Point] = []


@dataclass
class Size:
    width: int
    height: int = 1


class Pair(NamedTuple):
    first: int
    second: str


class Login(BaseModel):
    user: str
    password: SecretStr


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []
