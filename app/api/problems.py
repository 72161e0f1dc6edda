"""Errors as `application/problem+json` (RFC 9457), rendered in one place; a browser gets a page."""

from typing import Any
from urllib.parse import quote

import pydantic_core
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ExceptionHandler, Scope

from app.api.page import problem_page, wants_page
from app.api.root_path import root_of
from app.errors import (
    InternalError,
    InvalidOptions,
    MethodNotAllowed,
    TaskApiError,
    UnknownRoute,
)
from app.models import Problem

MEDIA_TYPE = "application/problem+json"

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def problem_response(
    error: TaskApiError, scope: Scope, headers: dict[str, str] | None = None
) -> Response:
    """Render an error of ours."""
    return _response(
        scope,
        Problem(
            type=f"{root_of(scope)}/problems/{error.slug()}",
            title=error.title(),
            status=error.status,
            detail=error.message,
            instance=_reference(scope["path"]),
            request_id=scope["state"]["request_id"],
            errors=error.facts.get("errors"),
            job=error.facts.get("first"),
        ),
        {**(headers or {}), **_retry_after(error)},
    )


async def on_our_error(request: Request, error: Exception) -> Response:
    """Render an error that a route raised."""
    assert isinstance(error, TaskApiError)
    return problem_response(error, request.scope)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Render what the router raises: no such route, no such method."""
    assert isinstance(error, HTTPException)
    path, headers = request.scope["path"], dict(error.headers or {})
    if error.status_code == 404:
        return problem_response(UnknownRoute(path=path), request.scope)
    if error.status_code == 405:
        refused = MethodNotAllowed(path=path, method=request.method)
        headers["Allow"] = _allowed(request) or headers.get("Allow", "")
        return problem_response(refused, request.scope, headers)
    return _response(
        request.scope,
        Problem(
            type="about:blank",
            title=str(error.detail),
            status=error.status_code,
            detail=str(error.detail),
            instance=_reference(path),
            request_id=request.scope["state"]["request_id"],
        ),
        headers,
    )


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """Render query or path parameters that do not fit."""
    assert isinstance(error, RequestValidationError)
    places: list[dict[str, Any]] = [
        {
            "loc": list(found["loc"]),
            "message": found["msg"].removeprefix("Value error, "),
            "type": found["type"],
        }
        for found in error.errors()
    ]
    return problem_response(InvalidOptions(errors=places), request.scope)


async def on_unknown_error(request: Request, _: Exception) -> Response:
    """Answer for what no handler knows; Starlette raises it again, and it is logged there."""
    return problem_response(InternalError(), request.scope)


EXCEPTION_HANDLERS: dict[Any, ExceptionHandler] = {
    TaskApiError: on_our_error,
    HTTPException: on_http_exception,
    RequestValidationError: on_invalid_request,
    Exception: on_unknown_error,
}


def _allowed(request: Request) -> str:
    """List every method that the path answers; the router names those of one route alone."""
    asked = {key: request.scope[key] for key in ("type", "path", "root_path", "headers")}
    allowed = [
        method
        for method in _METHODS
        if any(
            route.matches({**asked, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    if "GET" in allowed:
        allowed.insert(1, "HEAD")  # see app.api.exchange
    return ", ".join(allowed)


def _response(scope: Scope, problem: Problem, headers: dict[str, str]) -> Response:
    if wants_page(scope):
        return problem_page(scope, problem, headers)
    body = pydantic_core.to_json(problem, exclude_none=True)
    return Response(body, problem.status, headers, MEDIA_TYPE)


def _reference(path: str) -> str:
    """Encode a path again: what a problem is about is given as a URI reference."""
    return quote(path, safe="/:@!$&'()*+,;=")


def _retry_after(error: TaskApiError) -> dict[str, str]:
    return {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
