"""Events as they happen: of one job until its end, or of all jobs that fit."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.all_events import frames_of_all
from app.api.answers import answers
from app.api.event_stream import EventStream
from app.api.frames import EVENT_ID, LastId, last_id
from app.api.job_events import frames_of_job
from app.api.negotiation import EVENT_STREAM, HTML, JSON, wanted
from app.api.repeated import EACH_ONCE
from app.api.service import Service, ServiceDep
from app.errors import InvalidEventId, InvalidOptions, JobGone, UnknownJob, UnreadableJob
from app.job_list import JobFilter
from app.queue.event import Filter

router = APIRouter(tags=["events"], dependencies=[EACH_ONCE])

_ID_SCHEMA: dict[str, Any] = {"type": "string", "pattern": EVENT_ID}

LAST_EVENT_ID: dict[str, Any] = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "the id of the last event received: those after it are sent",
    "schema": _ID_SCHEMA,
}

STREAM: dict[str, Any] = {
    "description": "Server-sent events",
    "content": {
        EVENT_STREAM: {
            "schema": {
                "type": "object",
                "description": "One event; `data` is JSON",
                "properties": {
                    "event": {"enum": ["job", "status", "progress", "end", "gap"]},
                    "id": _ID_SCHEMA,
                    "data": {"type": "string", "contentMediaType": JSON},
                    "retry": {"type": "integer"},
                },
            }
        }
    },
}


FORMS: dict[str, Any] = {HTML: {"schema": {"type": "string"}}, **STREAM["content"]}
"""The other forms that a job's own address answers in."""


class Resume(BaseModel):
    """Where a stream goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    last_event_id: str | None = Field(
        default=None,
        description="for those who cannot set the header of that name, which goes first",
        json_schema_extra=_ID_SCHEMA,
    )


class EventQuery(JobFilter, Resume):
    """Of which jobs the events are wanted, and from where on."""


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventStream,
    responses={
        **answers(
            UnknownJob, JobGone, UnreadableJob, InvalidEventId, InvalidOptions, changes=False
        ),
        200: STREAM,
        204: {"description": "The caller has had the end already"},
    },
    openapi_extra={"parameters": [LAST_EVENT_ID]},
)
async def job_events(
    job_id: str, query: Annotated[Resume, Query()], request: Request, service: ServiceDep
) -> Response:
    """Stream a job's changes until it has ended.

    `job` is the job as it stands, `status` and `progress` are changes, `end` is the job at its end.
    """
    return stream_of_job(request, service, job_id, query.last_event_id)


@router.get(
    "/events",
    response_class=EventStream,
    responses={**answers(InvalidEventId, InvalidOptions, changes=False), 200: STREAM},
    openapi_extra={"parameters": [LAST_EVENT_ID]},
)
async def all_events(
    query: Annotated[EventQuery, Query()], request: Request, service: ServiceDep
) -> Response:
    """Stream the changes of all jobs that fit, from now on, or from an id on; filters are combined.

    A filter by status leaves `progress` out.
    """
    fit = Filter(frozenset(query.status), query.queue, query.task, frozenset(query.label))
    last = _last_id(request, query.last_event_id)
    return EventStream(frames_of_all(service.events, fit, last))


def wants_stream(request: Request) -> bool:
    """Say whether a caller wants a job as a stream of its changes."""
    return wanted(request.scope, (JSON, EVENT_STREAM)) == EVENT_STREAM


def stream_of_job(
    request: Request, service: Service, job_id: str, given_id: str | None = None
) -> Response:
    """Stream a job's changes.

    Raises:
        InvalidEventId.
    """
    return EventStream(frames_of_job(service, job_id, _last_id(request, given_id)))


def _last_id(request: Request, given: str | None) -> LastId | None:
    in_query = last_id(given)
    return last_id(request.headers.get("last-event-id")) or in_query
