"""What goes around the dashboard's own answers: the browser's orders, and the pages for errors."""

import secrets

from flask import Response, g, make_response, render_template, request
from redis.exceptions import RedisError
from starlette.types import Scope
from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.exceptions import NotFound

from app.api.problems import MEDIA_TYPE
from app.api.root_path import root_of
from app.errors import (
    MethodNotAllowed,
    RedisUnavailable,
    TaskApiError,
    UnknownRoute,
)
from app.models import Problem

HANDLED = (TaskApiError, RedisError, NotFound, WrongMethod)
"""The errors that `on_error` answers; what is none of them the service around it does."""

ERROR_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
{% if retry_after %}<meta http-equiv="refresh" content="{{ retry_after }}">{% endif %}
<title>{{ problem.title }}</title>
<link rel="stylesheet" href="{{ url_for('static', filename='css/bootstrap.min.css') }}">
<main class="container p-5">
<h1>{{ problem.title }}</h1>
<p>{{ problem.detail }}</p>
<a href="{{ url_for('rq_dashboard.queues_overview') }}">Back to the queues</a>
</main>
"""

_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # Underscore compiles the pages' templates, which are ours, with `new Function`.
    "script-src 'nonce-{nonce}' 'unsafe-eval'"
)


def page_facts() -> dict[str, object]:
    """Give what our edits of the templates ask for."""
    return {"csp_nonce": _nonce, "api_root": root_of(_scope())}


def secure(response: Response) -> Response:
    """Tell the browser to run our scripts alone, and to show the page in no other."""
    response.headers["Content-Security-Policy"] = _POLICY.format(nonce=_nonce())
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def on_error(error: Exception) -> Response:
    """Answer with a short page, or with problem+json where a script asks."""
    ours = _as_ours(error)
    headers = {"Retry-After": str(ours.retry_after)} if ours.retry_after is not None else {}
    if isinstance(error, WrongMethod):
        headers["Allow"] = ", ".join(error.valid_methods or ())
    problem = Problem(
        type=f"{root_of(_scope())}/problems/{ours.slug()}",
        title=ours.title(),
        status=ours.status,
        detail=str(ours),
        instance=_path(),
        request_id=_scope().get("state", {}).get("request_id", ""),
    )
    if request.method == "POST" or request.path.endswith(".json"):
        response = make_response(problem.model_dump(exclude_none=True), ours.status, headers)
        response.mimetype = MEDIA_TYPE
        return response
    page = render_template("error.html", problem=problem, retry_after=ours.retry_after)
    return make_response(page, ours.status, headers)


def _as_ours(error: Exception) -> TaskApiError:
    if isinstance(error, TaskApiError):
        return error
    if isinstance(error, RedisError):
        return RedisUnavailable(reason=error)
    if isinstance(error, WrongMethod):
        return MethodNotAllowed(path=_path(), method=request.method)
    return UnknownRoute(path=_path())


def _nonce() -> str:
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def _path() -> str:
    return request.script_root + request.path


def _scope() -> Scope:
    scope: Scope = request.environ["asgi.scope"]
    return scope
