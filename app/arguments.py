"""A task's arguments: the schema of a request body, made of the function's parameters."""

import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from app.errors import UnsupportedParameter
from app.json_limits import check_json, type_beyond_json
from app.signature import Json, hints_of, place_of, schema_errors


class Arguments:
    """A function's parameters as one Pydantic model: defaults, limits, unknown names refused.

    The model's fields are named `p0`, `p1`, … and carry the parameters' names as aliases, so that a
    parameter may be named `json`, `copy` or `model_config`, which a model keeps for itself.
    """

    def __init__(self, function: Callable[..., Any], title: str) -> None:
        self._signature = inspect.signature(function)
        place = place_of(function)
        hints = hints_of(function)
        self._names = {f"p{i}": name for i, name in enumerate(self._signature.parameters)}
        fields: dict[str, Any] = {
            field: _field(self._signature.parameters[name], hints[name])
            for field, name in self._names.items()
        }
        with schema_errors(place):
            self.model: type[BaseModel] = create_model(
                title,
                # NaN stays NaN, where Pydantic would store a null in its place: it is refused.
                __config__=ConfigDict(
                    extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants"
                ),
                __module__=function.__module__,
                **fields,
            )
            self._check_defaults(place)
            self.schema: dict[str, Any] = self.model.model_json_schema()
        self._check_secrets(place)

    def parse_json(self, body: bytes) -> dict[str, Json]:
        """Validate a request body, straight from its bytes, and reduce it to JSON's types.

        Raises:
            pydantic.ValidationError: the body is no JSON or does not fit.
        """
        # Strictly: a model among the arguments may take "NaN" for a number.
        return self._reduce_strictly(self.model.__pydantic_validator__.validate_json(body))

    def parse(self, /, *args: Any, **kwargs: Any) -> dict[str, Json]:
        """Validate Python values, as given to a call, and reduce them to JSON's types.

        Raises:
            TypeError: the positional arguments do not fit the signature.
            pydantic.ValidationError: a value does not fit, or JSON cannot hold it.
        """
        return self._reduce_strictly(self._validate(args, kwargs))

    def bind(self, /, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Validate Python values for a direct call; what comes back are Python values.

        Raises:
            TypeError: the positional arguments do not fit the signature.
            pydantic.ValidationError: a value does not fit.
        """
        return self._values(self._validate(args, kwargs))

    def load(self, /, *args: Json, **kwargs: Json) -> dict[str, Any]:
        """Turn stored arguments back into the values that the function takes.

        JSON's rules apply, not Python's: a strict `datetime` takes a string here. Ours are stored
        by name; a plain RQ client may have stored some by position.

        Raises:
            TypeError, ValueError: they were stored for another signature (a
                pydantic.ValidationError, which is a ValueError), or are no JSON.
        """
        stored = pydantic_core.to_json(self._by_name(args, kwargs))
        return self._values(self.model.__pydantic_validator__.validate_json(stored))

    def _validate(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> BaseModel:
        given = self._by_name(args, kwargs)
        valid: BaseModel = self.model.__pydantic_validator__.validate_python(given)
        return valid

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if not args:
            return kwargs
        positional = self._signature.bind_partial(*args).arguments
        if twice := positional.keys() & kwargs.keys():
            raise TypeError(f"given twice: {', '.join(sorted(twice))}")
        return positional | kwargs

    def _reduce(self, instance: BaseModel, include: set[str] | None = None) -> dict[str, Json]:
        # For the round trip: what is stored has to be valid input again, in the worker.
        reduced: dict[str, Json] = instance.__pydantic_serializer__.to_python(
            instance,
            mode="json",
            by_alias=True,
            round_trip=True,
            include=include,
            warnings=False,  # a default may be of another type, and is checked at start
        )
        return reduced

    def _reduce_strictly(self, instance: BaseModel) -> dict[str, Json]:
        try:
            reduced = self._reduce(instance)
            check_json(reduced)
        except ValueError as error:
            raise ValidationError.from_exception_data(
                self.model.__name__, list(self._unfit(instance))
            ) from error
        return reduced

    def _unfit(self, instance: BaseModel) -> Iterator[InitErrorDetails]:
        for field, name in self._names.items():
            try:
                check_json(self._reduce(instance, {field}))
            except ValueError as error:
                facts = {
                    "type_name": type_beyond_json(error, instance.__dict__[field]),
                    "reason": error,
                }
                message = "JSON cannot hold '{type_name}' ({reason})"
                kind = PydanticCustomError("not_json", message, facts)
                yield InitErrorDetails(type=kind, loc=(name,), input=None)

    def _check_defaults(self, place: str) -> None:
        # They are stored with each job that leaves them out, and read again by its worker.
        try:
            self.load(**self._reduce_strictly(self.model.model_construct()))
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False):
                if found["type"] != "missing" or len(found["loc"]) > 1:
                    raise UnsupportedParameter(
                        place=place,
                        parameter=found["loc"][0],
                        reason=f"has a default that is no valid value of it: {found['msg']}",
                    ) from error

    def _check_secrets(self, place: str) -> None:
        definitions = self.schema.get("$defs", {})
        for name, schema in self.schema.get("properties", {}).items():
            if _holds_secret(schema, definitions, set()):
                raise UnsupportedParameter(
                    place=place,
                    parameter=name,
                    reason="is or holds a secret, and arguments are kept in Redis and shown to "
                    "readers; let the task read the secret from its own settings",
                )

    def _values(self, instance: BaseModel) -> dict[str, Any]:
        values = instance.__dict__
        return {name: values[field] for field, name in self._names.items()}


def _field(parameter: inspect.Parameter, hint: Any) -> tuple[Any, Any]:
    if isinstance(parameter.default, FieldInfo):
        return Annotated[hint, parameter.default], Field(alias=parameter.name)
    if parameter.default is inspect.Parameter.empty:
        return hint, Field(alias=parameter.name)
    return hint, Field(default=parameter.default, alias=parameter.name)


def _holds_secret(schema: Any, definitions: dict[str, Any], seen: set[str]) -> bool:
    """Look for what may be sent and never shown, which is how JSON Schema knows a secret."""
    if isinstance(schema, list):
        return any(_holds_secret(part, definitions, seen) for part in schema)
    if not isinstance(schema, dict):
        return False
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        seen.add(reference)
        if _holds_secret(definitions.get(reference.rpartition("/")[2]), definitions, seen):
            return True
    return schema.get("writeOnly") is True or any(
        _holds_secret(part, definitions, seen) for part in schema.values()
    )
