"""What the routes work with, put together once in `create_app` and kept for the app's life."""

from dataclasses import dataclass
from typing import Annotated

import redis.asyncio
from fastapi import Depends, Request

from app.api.activity import ActivityLog
from app.catalogue import Catalogue
from app.queue.control import Control
from app.queue.enqueue import Enqueuer
from app.queue.explain import Explainer
from app.queue.fleet import Fleet
from app.queue.lookup import Lookup
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that a route may use."""

    settings: Settings
    catalogue: Catalogue
    enqueuer: Enqueuer
    lookup: Lookup
    control: Control
    fleet: Fleet
    explainer: Explainer
    activity: ActivityLog
    redis: redis.asyncio.Redis


def get_service(request: Request) -> Service:
    """Give the service that this request's app was made with."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]
