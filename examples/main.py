"""The application, put together; each part says beside its code why it does its work as it does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware

from app.api.access import AccessMiddleware
from app.api.activity import ActivityLog
from app.api.exchange import ExchangeMiddleware
from app.api.problems import EXCEPTION_HANDLERS
from app.logs import configure_logging
from app.models import Problem
from app.settings import Settings
from examples import items, notify, process, signup


def create_app() -> FastAPI:
    """Make the application; nothing is connected before its first request.

    The jobs need no set-up: `send_email.aenqueue(…)` finds Redis by `REDIS_URL`. What is taken over
    here from the service is its outer layers: an activity record for each response, errors as
    problem+json (503 where Redis is away), no page of another site, no caller beyond this machine.
    """
    settings = Settings()
    configure_logging(settings)
    activity = ActivityLog(settings.activity_log)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        activity.start()
        yield
        activity.close()

    app: FastAPI = FastAPIOffline(
        title="Examples",
        description="BackgroundTasks or the queue: one endpoint for each side of the line.",
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=[
            Middleware(ExchangeMiddleware, log=activity),
            Middleware(AccessMiddleware, settings=settings),
        ],
        responses={422: {"model": Problem, "description": "The request does not fit"}},
    )
    app.state.settings = settings
    app.add_api_route("/", show_docs, include_in_schema=False)
    for part in (signup, notify, items, process):
        app.include_router(part.router)
    return app


async def show_docs() -> RedirectResponse:
    """Show a browser the forms to try."""
    return RedirectResponse("/docs")
