"""Pages for people: the templates of `pages/`, filled in, and the browser's orders around them.

A page carries no script and no style but the files of `pages/assets`; everything that comes from a
job is text in it, escaped by Jinja.
"""

import hashlib
from functools import cache
from http import HTTPStatus
from pathlib import Path

import jinja2
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from app.api.negotiation import HTML, JSON, wanted
from app.api.page_values import excerpt, iso, pieces, span, utc
from app.api.root_path import root_of
from app.models import Problem

SHARED = "/shared/"
"""The prefix of what a share link shows; what follows it is a secret."""

WITH_PAGES = ("/jobs/", SHARED)
"""The prefixes of the addresses that answer a browser with a page, errors included."""

_FOLDER = Path(__file__).parent / "pages"

ASSETS = StaticFiles(directory=_FOLDER / "assets")
"""The pages' style, script and icon, mounted at `/pages`."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def wants_page(scope: Scope) -> bool:
    """Say whether it is a browser that asks, at an address that has a page.

    `?format=json` is how a page links to its own JSON: a link cannot choose the Accept header.
    """
    return (
        _path(scope).startswith(WITH_PAGES)
        and b"format=json" not in scope["query_string"].split(b"&")
        and wanted(scope, (JSON, HTML)) == HTML
    )


def page_response(
    scope: Scope,
    template: str,
    facts: dict[str, object],
    status: int = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
) -> HTMLResponse:
    """Fill a template in, and tell the browser to run, load and keep nothing but what is ours."""
    text = _templates().get_template(template).render(facts, root=root_of(scope))
    return HTMLResponse(text, status, {**(headers or {}), **_orders(scope)})


def problem_page(scope: Scope, problem: Problem, headers: dict[str, str]) -> HTMLResponse:
    """Show an error to a person."""
    is_form = scope["method"] == "POST"
    facts: dict[str, object] = {
        "problem": problem,
        "retry_after": None if is_form else headers.get("Retry-After"),
        "job_id": scope.get("path_params", {}).get("job_id") if is_form else None,
    }
    return page_response(scope, "problem.html", facts, problem.status, headers)


def _path(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def _orders(scope: Scope) -> dict[str, str]:
    # A share link's own address is its secret. Elsewhere the browser is to name our origin to us:
    # without `Sec-Fetch-Site`, which it sends over TLS and on loopback alone, `app.api.access`
    # knows a form of ours by that.
    is_shared = _path(scope).startswith(SHARED)
    return {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer" if is_shared else "same-origin",
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
        "Vary": "Accept",
    }


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (excerpt, pieces, utc, iso, span)
    environment.filters |= {each.__name__: each for each in filters}
    environment.globals |= {"version": _version}
    return environment


@cache
def _version(asset: str) -> str:
    """Name the content of an asset, so that a browser may keep it until it is another."""
    return hashlib.sha256((_FOLDER / "assets" / asset).read_bytes()).hexdigest()[:12]
