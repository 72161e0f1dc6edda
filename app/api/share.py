"""Share links over HTTP: give one out, and what it shows to whoever has it."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import answers
from app.api.event_stream import EventStream
from app.api.frames import last_id
from app.api.job_events import frames_of_job
from app.api.job_log import FURTHEST, TEXT, log_response
from app.api.job_page import shared_page
from app.api.page import page_response, wants_page
from app.api.repeated import EACH_ONCE
from app.api.service import Service, ServiceDep
from app.api.shared_job import SharedJob, shared_job
from app.api.shared_view import shared_frames, shared_log
from app.api.stream import FORMS, LAST_EVENT_ID, STREAM, Resume, wants_stream
from app.errors import (
    InvalidEventId,
    InvalidOptions,
    JobGone,
    ShareOver,
    UnknownJob,
    UnknownShare,
    UnreadableJob,
)
from app.models import JobLog
from app.queue.shares import Share

router = APIRouter(tags=["jobs"])

_MINUTE, _DAY = 60, 86_400
_GONE = (UnknownJob, JobGone, UnreadableJob)
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Vary": "Accept"}

ShareTtl = Annotated[
    int, Query(ge=_MINUTE, le=30 * _DAY, description="seconds until the link expires")
]


class ShareLink(BaseModel):
    """A link that shows one job, read-only, to whoever has it."""

    url: str = Field(description="whole address, at the host that this request named")
    expires_at: datetime


@router.post(
    "/jobs/{job_id}/share",
    status_code=HTTPStatus.CREATED,
    dependencies=[EACH_ONCE],
    response_model=ShareLink,
    responses=answers(UnknownJob, JobGone, UnreadableJob, InvalidOptions),
)
async def share_job(
    job_id: str, request: Request, service: ServiceDep, ttl: ShareTtl = 7 * _DAY
) -> Response:
    """Give out a link that shows this job alone, without its arguments, until it expires."""
    job = await service.lookup.job(job_id)
    share = await service.shares.make(job.id, ttl)
    url = request.base_url.replace(path=share.path)
    link = ShareLink(url=str(url), expires_at=share.expires_at)
    headers = {"Location": share.path}
    if wants_page(request.scope):
        facts: dict[str, object] = {"share": link, "job_id": job.id}
        return page_response(request.scope, "share.html", facts, HTTPStatus.CREATED, headers)
    return Response(
        link.model_dump_json(), HTTPStatus.CREATED, {**headers, **_PRIVATE}, "application/json"
    )


@router.get(
    "/shared/{token}",
    response_model=SharedJob,
    responses={
        **answers(UnknownShare, ShareOver, InvalidEventId, changes=False),
        200: {"description": "The job", "content": FORMS},
        204: {"description": "A stream whose end the caller has had already"},
    },
    openapi_extra={"parameters": [LAST_EVENT_ID]},
)
async def get_shared(token: str, request: Request, service: ServiceDep) -> Response:
    """Show the job of a share link; a browser gets a page that keeps itself up to date."""
    share = await _opened(token, request, service)
    if wants_stream(request):
        return _stream(request, service, share)
    try:
        job = shared_job(await service.lookup.job(share.job_id), share)
        log = shared_log(await service.logs.log(share.job_id), 0)
    except _GONE as error:
        raise ShareOver from error
    if wants_page(request.scope):
        return shared_page(request.scope, job, log)
    return Response(job.model_dump_json(), headers=_PRIVATE, media_type="application/json")


@router.get(
    "/shared/{token}/events",
    dependencies=[EACH_ONCE],
    response_class=Response,
    responses={
        **answers(UnknownShare, ShareOver, InvalidEventId, InvalidOptions, changes=False),
        200: STREAM,
        204: {"description": "The caller has had the end already"},
    },
    openapi_extra={"parameters": [LAST_EVENT_ID]},
)
async def get_shared_events(
    token: str, query: Annotated[Resume, Query()], request: Request, service: ServiceDep
) -> Response:
    """Stream the changes of a share link's job until it has ended."""
    share = await _opened(token, request, service)
    return _stream(request, service, share, query.last_event_id)


@router.get(
    "/shared/{token}/log",
    dependencies=[EACH_ONCE],
    response_model=JobLog,
    responses={
        **answers(UnknownShare, ShareOver, InvalidOptions, changes=False),
        200: {
            "description": "The log, as JSON or as plain text",
            "content": {TEXT: {"schema": {"type": "string"}}},
        },
    },
)
async def get_shared_log(
    token: str,
    request: Request,
    service: ServiceDep,
    after: Annotated[int, Query(ge=0, le=FURTHEST, description="`next` of an answer")] = 0,
) -> Response:
    """Give what a share link's job has logged and printed, without tracebacks."""
    share = await _opened(token, request, service)
    try:
        log = await service.logs.log(share.job_id)
    except _GONE as error:
        raise ShareOver from error
    return log_response(request, shared_log(log, after))


async def _opened(token: str, request: Request, service: Service) -> Share:
    share = await service.shares.open(token)
    request.scope["state"]["job_id"] = share.job_id  # for the activity log
    return share


def _stream(
    request: Request, service: Service, share: Share, given_id: str | None = None
) -> Response:
    last = last_id(request.headers.get("last-event-id") or given_id)
    return EventStream(shared_frames(frames_of_job(service, share.job_id, last), share))
