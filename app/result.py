"""A task's result: its schema, made of the function's return annotation."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel, TypeAdapter, create_model

from app.json_limits import UnfitForJson, check_json, type_beyond_json
from app.signature import Json, hints_of, place_of, schema_errors


class _Root(RootModel[Any]):
    # NaN stays NaN, where Pydantic would store a null in its place: it is refused.
    model_config = ConfigDict(ser_json_inf_nan="constants")


class Result:
    """A function's return annotation: the schema of its result."""

    def __init__(self, function: Callable[..., Any]) -> None:
        hint = hints_of(function)["return"]
        with schema_errors(place_of(function)):
            self.schema: dict[str, Any] = TypeAdapter(hint).json_schema(mode="serialization")
            self._model: type[BaseModel] = create_model(
                "Result", __base__=_Root, __module__=function.__module__, root=(hint, ...)
            )

    def reduce(self, value: Any) -> Json:
        """Check a result against its schema and reduce it to JSON's types.

        Raises:
            UnfitForJson: JSON cannot hold it; names the type.
            pydantic.ValidationError: it is not what the annotation promised.
        """
        valid = self._model.__pydantic_validator__.validate_python(value)
        try:
            reduced: Json = self._model.__pydantic_serializer__.to_python(
                valid, mode="json", warnings=False
            )
            check_json(reduced)
        except ValueError as error:
            raise UnfitForJson(type_beyond_json(error, value), str(error)) from error
        return reduced
