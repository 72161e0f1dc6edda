"""rq-dashboard at `/dashboard`: its own pages, on our way of reading jobs and of changing them.

The package trusts whatever stands in Redis, and whoever asks. What takes the place of its own is in
`_take_over` and `_button_views`; what makes its pages safe is in `app.api.dashboard_templates`.
"""

import re
from collections.abc import Callable
from typing import Any

import redis
import rq_dashboard.web
from a2wsgi import WSGIMiddleware
from flask import Flask, current_app, request
from jinja2 import DictLoader
from starlette.types import Receive, Scope, Send
from werkzeug.exceptions import MethodNotAllowed, NotFound

from app.api import dashboard_answers as answers
from app.api.dashboard_templates import safe_templates, unknown
from app.errors import JobGone, UnknownJob
from app.queue import keys
from app.queue.connection import connect
from app.queue.dashboard import shown
from app.queue.dashboard.buttons import Buttons
from app.settings import Settings

THREADS = 4  # that all pages share; the event loop never waits for Redis

_CHUNKS = 256  # of 8 KiB: more than a whole style sheet, so that a slow reader holds no thread

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_MOST_ROWS = 200  # as the page's own field says
_REGISTRIES = frozenset({"queued", *keys.REGISTRIES})


class Dashboard:
    """The mounted dashboard, an ASGI app."""

    def __init__(self, app: Flask, client: redis.Redis) -> None:
        self._client = client
        self._wsgi: Any = WSGIMiddleware(
            app,  # type: ignore[arg-type]  # a dict for the one, a TypedDict for the other
            workers=THREADS,
            send_queue_size=_CHUNKS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, in a thread."""
        # No page reads the query, and a2wsgi fails on one that is not ASCII.
        await self._wsgi({**scope, "query_string": b""}, receive, send)

    def close(self) -> None:
        """Let go of the threads and of Redis."""
        self._wsgi.executor.shutdown(wait=False, cancel_futures=True)
        self._client.close()


def dashboard_app(settings: Settings) -> Dashboard:
    """Put the dashboard together; nothing is connected before its first request.

    Raises:
        UnknownDashboard: the installed rq-dashboard is not the one that this is made for.
    """
    client = connect(settings)
    app = Flask("rq_dashboard")  # so that Flask's own static folder is the package's, icon and all
    app.jinja_loader = DictLoader({**safe_templates(), "error.html": answers.ERROR_PAGE})
    # Flask escapes in HTML files alone; the package's scripts are templates too.
    app.jinja_options = {**app.jinja_options, "autoescape": True}
    app.config["RQ_DASHBOARD_REDIS_URL"] = (_label(client),)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # to the service, which logs them by the request's id
    app.json.sort_keys = False  # type: ignore[attr-defined]  # a result is shown in its own order
    app.redis_conn = client  # type: ignore[attr-defined]
    # Else `/0/view/queues` is moved for good to an absolute address, wrong behind a TLS proxy.
    app.url_map.redirect_defaults = False
    _take_over()
    app.before_request(_check_path)
    app.register_blueprint(rq_dashboard.web.blueprint)
    for endpoint, view in _button_views(Buttons(client, settings.callback_queue)).items():
        if endpoint not in app.view_functions:
            raise unknown(f"it has no {endpoint}")
        app.view_functions[endpoint] = view
    app.context_processor(answers.page_facts)
    app.after_request(answers.secure)
    for error in answers.HANDLED:
        app.register_error_handler(error, answers.on_error)
    return Dashboard(app, client)


def _take_over() -> None:
    """Give rq-dashboard's module our names: it has no other user in this process."""
    ours = {
        "Job": shown.ShownJob,
        "Worker": shown.ShownWorker,
        "get_queue_registry_jobs_count": _jobs_page,
        "NoSuchJobError": (UnknownJob, JobGone),  # what ShownJob raises, `job_info` catches
        "from_url": _from_url,
        "RedisConnectionError": _NeverRaised,
    }
    for name, value in ours.items():
        if not hasattr(rq_dashboard.web, name):
            raise unknown(f"its module web has no {name}")
        setattr(rq_dashboard.web, name, value)


class _NeverRaised(Exception):
    """What the package catches in place of a lost connection, which it would answer 200 for."""


def _from_url(*_: object, **__: object) -> tuple[None, redis.Redis]:
    # The package's own builds a client for each request, from the address that its pages show.
    return None, current_app.redis_conn  # type: ignore[attr-defined]


def _jobs_page(
    queue: str, status: str, offset: int, per_page: int, order: str, client: redis.Redis
) -> tuple[int, list[dict[str, Any]]]:
    """Read a page of jobs at once; the package's own asks for each, and miscounts them."""
    total = shown.count(client, queue, status)
    last = total - 1 - offset if order == "dsc" else offset + per_page - 1
    first = max(0, last - per_page + 1)
    job_ids = shown.ids(client, queue, status, first, last) if last >= 0 else []
    if order == "dsc":
        job_ids.reverse()
    jobs = shown.ShownJob.fetch_many(job_ids, client)
    return total, [rq_dashboard.web.serialize_job(job) for job in jobs]


def _button_views(buttons: Buttons) -> dict[str, Callable[..., Any]]:
    def delete(job_id: str) -> dict[str, Any]:
        buttons.delete(job_id)
        return {"status": "OK"}

    def requeue(job_id: str) -> dict[str, Any]:
        buttons.requeue(job_id)
        return {"status": "OK"}

    def requeue_all(queue_name: str) -> dict[str, Any]:
        return {"status": "OK", "count": buttons.requeue_all(queue_name)}

    def empty(queue_name: str, registry_name: str) -> dict[str, Any]:
        return {"status": "OK", "count": buttons.empty(queue_name, registry_name)}

    def compact(queue_name: str) -> dict[str, Any]:
        return {"status": "OK", "count": buttons.compact(queue_name)}

    return {
        "rq_dashboard.delete_job_view": delete,
        "rq_dashboard.requeue_job_view": requeue,
        "rq_dashboard.requeue_all": requeue_all,
        "rq_dashboard.empty_queue": empty,
        "rq_dashboard.compact_queue": compact,
    }


def _check_path() -> None:
    """Refuse what the package would fail on, and GET for the one button that it has that for.

    Raises:
        NotFound, MethodNotAllowed.
    """
    if request.endpoint == "rq_dashboard.requeue_all" and request.method != "POST":
        raise MethodNotAllowed(["POST"])
    args = request.view_args or {}
    page, per_page = str(args.get("page", 1)), str(args.get("per_page", 1))
    if (
        args.get("instance_number", 0) != 0  # there is one Redis
        or args.get("registry_name", "queued") not in _REGISTRIES
        or not (_NUMBER.fullmatch(page) and _NUMBER.fullmatch(per_page))
        or int(per_page) > _MOST_ROWS
    ):
        raise NotFound


def _label(client: redis.Redis) -> str:
    """Say which Redis this is; never its password, which its address may hold."""
    options = client.connection_pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    service = getattr(client.connection_pool, "service_name", None)
    server = service or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    return f"{server}/{options.get('db') or 0}"
