"""A function's signature: where it stands, and whether schemas can be made of it.

What crosses Redis is reduced to JSON's own types, so that a stock worker, a stock dashboard and an
unpickler that refuses every global can all read it.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, get_type_hints

import pydantic_core
from pydantic import PydanticUserError

from app.errors import (
    DeclarationError,
    MissingAnnotation,
    MissingResultAnnotation,
    UnresolvedAnnotation,
    UnsupportedParameter,
)
from app.mistakes import refuse

Json: TypeAlias = Any
"""None, bool, int, float, str, and lists and str-keyed dicts of these."""

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def place_of(function: Callable[..., Any]) -> str:
    """Say where a function stands, as in `jobs/email.py:12 send_email`."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    name = getattr(function, "__qualname__", repr(function))
    return f"{code.co_filename}:{code.co_firstlineno} {name}" if code else name


def check_annotated(function: Callable[..., Any]) -> None:
    """Refuse a signature that has no full schema, before anything is built from it.

    Raises:
        MissingAnnotation, MissingResultAnnotation, UnsupportedParameter, SeveralMistakes: with the
            place.
    """
    refuse(_mistakes_in(inspect.signature(function), place_of(function)))


def _mistakes_in(signature: inspect.Signature, place: str) -> Iterator[DeclarationError]:
    for parameter in signature.parameters.values():
        if parameter.kind not in _BY_NAME:
            yield UnsupportedParameter(
                place=place,
                parameter=str(parameter),
                reason="cannot be given by name; a request body names every argument",
            )
        elif parameter.annotation is inspect.Parameter.empty:
            yield MissingAnnotation(place=place, parameter=parameter.name)
    if signature.return_annotation is inspect.Signature.empty:
        yield MissingResultAnnotation(place=place)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Give the annotations of a function, those that are strings read.

    Raises:
        UnresolvedAnnotation: one of them names what is not there.
    """
    try:
        return get_type_hints(function, include_extras=True)
    except (AttributeError, NameError, SyntaxError, TypeError) as error:
        raise UnresolvedAnnotation(place=place_of(function), reason=str(error)) from error


@contextmanager
def schema_errors(place: str) -> Iterator[None]:
    """Name the place where Pydantic can make no schema.

    Raises:
        UnresolvedAnnotation: of what the block has raised.
    """
    try:
        yield
    except (PydanticUserError, pydantic_core.SchemaError) as error:
        reason = getattr(error, "message", None) or str(error)
        raise UnresolvedAnnotation(place=place, reason=reason) from error
