"""A parameter of the query that is given more than once, where once is all that it may be."""

from collections import Counter
from collections.abc import Iterable

from fastapi import Depends, Request

from app.errors import InvalidOptions

_REPEATABLE = frozenset({"status", "label"})  # of a GET; elsewhere the last one would count


def given_twice(names: Iterable[str]) -> InvalidOptions:
    """Refuse these parameters by their names."""
    return InvalidOptions(
        errors=[
            {"loc": ["query", name], "message": "Given more than once", "type": "given_twice"}
            for name in sorted(names)
        ]
    )


async def _each_once(request: Request) -> None:
    counted = Counter(name for name, _ in request.query_params.multi_items())
    if twice := {name for name, count in counted.items() if count > 1} - _REPEATABLE:
        raise given_twice(twice)


EACH_ONCE = Depends(_each_once)
"""What a route with parameters depends on; FastAPI itself takes the last of several."""
