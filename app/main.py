"""The service, put together: `uvicorn app.main:app`."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app import __version__, calls
from app.api import callbacks, fleet, health, job_log, jobs, lists, page, root, share, stream
from app.api import tasks as task_routes
from app.api.access import AccessMiddleware
from app.api.activity import ActivityLog
from app.api.dashboard import dashboard_app
from app.api.enqueue import EnqueueMiddleware
from app.api.exchange import ExchangeMiddleware
from app.api.openapi import describe
from app.api.problems import EXCEPTION_HANDLERS
from app.api.root_path import RootPathMiddleware
from app.api.server_end import on_end_of_server
from app.api.service import Service
from app.api.slashes import Slashes
from app.catalogue import Catalogue, load_catalogue
from app.logs import configure_logging
from app.queue.callbacks import Callbacks
from app.queue.connection import ANSWER_TIMEOUT, connect_async
from app.queue.control import Control
from app.queue.enqueue import Enqueuer
from app.queue.explaining.explain import Explainer
from app.queue.fleet import Fleet
from app.queue.lists.listing import Listing
from app.queue.log import Logs
from app.queue.lookup import Lookup
from app.queue.shares import Shares
from app.queue.transaction import Pipeline, Transaction
from app.queue.watching.events import BLOCK, Events
from app.queue.watching.waiting import Waiting
from app.queue.writer import BatchWriter
from app.settings import Settings
from app.variables import warn_of_unknown_variables

MOST_UNCOLLECTED = 50_000  # objects; 500 requests in flight have some 20,000


class TaskApi(FastAPI):
    """FastAPI within our own layers, which have to see what Starlette's outermost one answers."""

    def __init__(self, service: Service, **options: Any) -> None:
        super().__init__(**options)
        hot_path = EnqueueMiddleware(super().__call__, service)
        access = AccessMiddleware(hot_path, service.settings)
        placed = RootPathMiddleware(access, service.settings.root_path)
        self._layers = ExchangeMiddleware(placed, service.activity)
        self.router.default = Slashes(self.router)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request through our layers, from the exchange to the hot path; then FastAPI's."""
        await self._layers(scope, receive, send)


def create_app(
    settings: Settings | None = None,
    catalogue: Catalogue | None = None,
    client: redis.asyncio.Redis | None = None,
) -> FastAPI:
    """Put the service together; nothing is connected before its first request.

    Raises:
        DeclarationError: a task module will not do.
    """
    settings = settings or Settings.load()
    configure_logging(settings)
    service = _service(settings, catalogue or load_catalogue(settings), client)
    warn_of_unknown_variables()
    dashboard = dashboard_app(settings) if settings.dashboard else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.activity.start()
        # A task's own `.enqueue` in this process uses this app's settings and connections.
        calls.connect(lambda: service.enqueuer)
        # What is loaded by now lives as long as we do, so no collection need look at it; nor at
        # the requests in flight, of which none leaves a circle behind, at each 700 objects.
        gc.freeze()
        gc.set_threshold(MOST_UNCOLLECTED)
        with on_end_of_server(service.events.close):
            yield
        await service.events.aclose()
        await service.enqueuer.aclose()
        await service.lookup.aclose()
        service.activity.close()
        await service.redis.aclose()
        if dashboard is not None:
            dashboard.close()

    app = TaskApi(
        service,
        title="Task API",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # by an absolute address, which behind a proxy is another's
        exception_handlers=EXCEPTION_HANDLERS,
    )
    app.state.service = service
    describe(app)
    app.include_router(task_routes.task_router(service.catalogue))
    for part in (task_routes, lists, jobs, stream, callbacks, job_log, share, fleet, health, root):
        app.include_router(part.router)
    app.mount("/docs/assets", root.ASSETS)
    app.mount("/pages", page.ASSETS)
    if dashboard is not None:
        app.mount("/dashboard", dashboard)
    return app


def _service(
    settings: Settings, catalogue: Catalogue, client: redis.asyncio.Redis | None
) -> Service:
    # A client from outside may have no socket (a test's has none), so it is asked to pipeline.
    execute = Pipeline(client) if client else None
    client = client or connect_async(settings)
    reader = BatchWriter(execute or Transaction(client))
    lookup = Lookup(client, catalogue, settings, reader)
    events = Events(_blocking(settings, client if execute else None), reader)
    fleet = Fleet(client, settings)
    return Service(
        settings=settings,
        catalogue=catalogue,
        enqueuer=Enqueuer(settings, execute=execute),
        lookup=lookup,
        events=events,
        waiting=Waiting(events, lookup),
        logs=Logs(client),
        listing=Listing(client, lookup, catalogue, settings),
        control=Control(client, lookup, settings),
        callbacks=Callbacks(client),
        fleet=fleet,
        explainer=Explainer(client, lookup, fleet, settings),
        shares=Shares(client, settings),
        activity=ActivityLog(settings.activity_log),
        redis=client,
    )


def _blocking(settings: Settings, client: redis.asyncio.Redis | None) -> redis.asyncio.Redis:
    """Give a client for the one connection that waits for events longer than others for answers."""
    if client is not None:
        return redis.asyncio.Redis(connection_pool=client.connection_pool)
    return connect_async(settings, socket_timeout=BLOCK + ANSWER_TIMEOUT)


def __getattr__(name: str) -> Any:
    # Made when a server asks for `app.main:app`, not when a test imports `create_app`.
    if name == "app":
        return create_app()
    raise AttributeError(name)
