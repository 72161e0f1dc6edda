"""An example of a request body, from its JSON Schema: what the task's author gave goes first."""

from typing import Any

import pydantic_core
from pydantic import BaseModel, ValidationError

Schema = dict[str, Any]

DEEPEST = 8  # levels; a model that holds itself has no end

_BY_FORMAT = {
    "date": "2030-01-31",
    "date-time": "2030-01-31T12:00:00Z",
    "duration": "PT1M",
    "email": "ada@example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "uuid": "018f4e9a-7c3b-7d2e-9f10-2b6c8d4e5f60",
}


def example_body(model: type[BaseModel]) -> dict[str, Any] | None:
    """Make a body of what is required, and of what has an example of its own: `Field(examples=…)`.

    None where the model would refuse it: what a pattern wants, only the author can tell.
    """
    schema = model.model_json_schema()
    body = _object(schema, schema.get("$defs", {}), 0)
    try:
        model.__pydantic_validator__.validate_json(pydantic_core.to_json(body))
    except ValidationError:
        return None
    return body


def _object(schema: Schema, definitions: Schema, depth: int) -> dict[str, Any]:
    required = schema.get("required", ())
    return {
        name: _value(field, name, definitions, depth + 1)
        for name, field in schema.get("properties", {}).items()
        if name in required or "examples" in field
    }


def _value(  # noqa: PLR0911 - one for each form of a schema
    schema: Schema, name: str, definitions: Schema, depth: int
) -> Any:
    match schema:
        case {"examples": [first, *_]} | {"enum": [first, *_]}:
            return first
        case {"const": value} | {"default": value}:
            return value
        case _ if depth > DEEPEST:
            return None
        case {"$ref": reference}:
            defined = definitions[reference.rpartition("/")[2]]
            return _value(defined, name, definitions, depth + 1)
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            return _value(first, name, definitions, depth + 1)
        case {"type": "array", "minItems": int(least)} if least:
            item = _value(schema.get("items", {}), name, definitions, depth + 1)
            return [item] * least
        case {"type": "object"}:
            return _object(schema, definitions, depth)
    return _plain(schema, name)


def _plain(schema: Schema, name: str) -> Any:
    match schema.get("type"):
        case "string":
            text = _BY_FORMAT.get(schema.get("format", ""), name)
            return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
        case "integer" | "number":
            above = schema.get("exclusiveMinimum")
            least = schema.get("minimum", 1 if above is None else above + 1)
            return min(least, schema.get("maximum", least))
        case "boolean":
            return True
        case "array":
            return []
        case "null":
            return None
    return {}  # anything
