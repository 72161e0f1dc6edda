"""What the routes work with, put together once in `create_app` and kept for the app's life."""

from dataclasses import dataclass
from typing import Annotated

import redis.asyncio
from fastapi import Depends, Request

from app.api.activity import ActivityLog
from app.catalogue import Catalogue
from app.queue.callbacks import Callbacks
from app.queue.control import Control
from app.queue.enqueue import Enqueuer
from app.queue.explaining.explain import Explainer
from app.queue.fleet import Fleet
from app.queue.lists.listing import Listing
from app.queue.log import Logs
from app.queue.lookup import Lookup
from app.queue.shares import Shares
from app.queue.watching.events import Events
from app.queue.watching.waiting import Waiting
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that a route may use."""

    settings: Settings
    catalogue: Catalogue
    enqueuer: Enqueuer
    lookup: Lookup
    events: Events
    waiting: Waiting
    logs: Logs
    listing: Listing
    control: Control
    callbacks: Callbacks
    fleet: Fleet
    explainer: Explainer
    shares: Shares
    activity: ActivityLog
    redis: redis.asyncio.Redis


def get_service(request: Request) -> Service:
    """Give the service that this request's app was made with."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]
