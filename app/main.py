"""The service, put together: `uvicorn app.main:app`."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app import __version__, calls
from app.api import fleet, health, jobs, root
from app.api import tasks as task_routes
from app.api.access import AccessMiddleware
from app.api.activity import ActivityLog
from app.api.dashboard import dashboard_app
from app.api.enqueue import EnqueueMiddleware
from app.api.exchange import ExchangeMiddleware
from app.api.openapi import describe
from app.api.problems import EXCEPTION_HANDLERS
from app.api.service import Service
from app.catalogue import Catalogue, load_catalogue
from app.logs import configure_logging
from app.queue.connection import connect_async
from app.queue.control import Control
from app.queue.enqueue import Enqueuer
from app.queue.explain import Explainer
from app.queue.fleet import Fleet
from app.queue.lookup import Lookup
from app.queue.transaction import Pipeline
from app.settings import Settings


class TaskApi(FastAPI):
    """FastAPI within our own layers, which have to see what Starlette's outermost one answers."""

    def __init__(self, service: Service, **options: Any) -> None:
        super().__init__(**options)
        hot_path = EnqueueMiddleware(super().__call__, service)
        access = AccessMiddleware(hot_path, service.settings)
        self._layers = ExchangeMiddleware(access, service.activity)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request through our layers: exchange, access, the hot path; then FastAPI's."""
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
    dashboard = dashboard_app(settings) if settings.dashboard else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.activity.start()
        # A task's own `.enqueue` in this process uses this app's settings and connections.
        calls.connect(lambda: service.enqueuer)
        gc.freeze()  # what is loaded by now lives as long as we do; no collection need look at it
        yield
        await service.enqueuer.aclose()
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
        exception_handlers=EXCEPTION_HANDLERS,
    )
    app.state.service = service
    describe(app)
    app.include_router(task_routes.task_router(service.catalogue))
    for part in (task_routes, jobs, fleet, health, root):
        app.include_router(part.router)
    app.mount("/docs/assets", root.ASSETS)
    if dashboard is not None:
        app.mount("/dashboard", dashboard)
    return app


def _service(
    settings: Settings, catalogue: Catalogue, client: redis.asyncio.Redis | None
) -> Service:
    # A client from outside may have no socket (a test's has none), so it is asked to pipeline.
    execute = Pipeline(client) if client else None
    client = client or connect_async(settings)
    lookup = Lookup(client, catalogue, settings)
    fleet = Fleet(client, settings)
    return Service(
        settings=settings,
        catalogue=catalogue,
        enqueuer=Enqueuer(settings, execute=execute),
        lookup=lookup,
        control=Control(client, lookup, settings),
        fleet=fleet,
        explainer=Explainer(client, lookup, fleet, settings),
        activity=ActivityLog(settings.activity_log),
        redis=client,
    )


def __getattr__(name: str) -> Any:
    # Made when a server asks for `app.main:app`, not when a test imports `create_app`.
    if name == "app":
        return create_app()
    raise AttributeError(name)
