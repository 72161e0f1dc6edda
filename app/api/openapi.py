"""The OpenAPI document: FastAPI's, with our errors in it."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.models import Problem

_ABOUT = """Typed Python functions as durable, observable HTTP jobs, on Redis Queue.

Each task below is an operation of its own: its form is the function's signature. `POST` answers 202
once Redis has confirmed the job; `GET /jobs/{job_id}` shows how it stands. Every error is
`application/problem+json`, and its `type` is a page that explains it.
"""


def describe(app: FastAPI) -> None:
    """Give the app its OpenAPI document, made at its first request and kept."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=_ABOUT, routes=app.routes
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas["Problem"] = schema
            operations = [each for path in document["paths"].values() for each in path.values()]
            for operation in operations:
                _forget_validation_error(operation)
                _sharpen_options(operation, app.state.service.settings.queues)
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _forget_validation_error(operation: dict[str, Any]) -> None:
    """Take out the 422 that FastAPI adds wherever a path has a parameter: any text fits ours."""
    if "application/json" in operation["responses"].get("422", {}).get("content", {}):
        del operation["responses"]["422"]


def _sharpen_options(operation: dict[str, Any], queues: Sequence[str]) -> None:
    """Say of the query's parameters what their model cannot: no null in a URL, and these queues."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        for kind in schema.pop("anyOf", ()):
            if kind != {"type": "null"}:
                schema.update(kind)
        is_option = "requestBody" in operation  # elsewhere it filters, and any name will do
        if is_option and (parameter["in"], parameter["name"]) == ("query", "queue"):
            schema["enum"] = list(queues)
