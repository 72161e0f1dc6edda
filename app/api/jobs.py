"""Jobs over HTTP: look at one, take its result, and what may be done to it."""

import pydantic_core
from fastapi import APIRouter, Request, Response

from app.api.answers import answers, job_response, waited_response
from app.api.departure import unless_left
from app.api.job_page import back_to_page, job_page
from app.api.page import wants_page
from app.api.prefer import PREFER, PREFERENCE_APPLIED, preferred_wait
from app.api.service import ServiceDep
from app.api.stream import FORMS, LAST_EVENT_ID, stream_of_job, wants_stream
from app.errors import (
    InvalidEventId,
    JobGone,
    NoResultYet,
    UnknownJob,
    UnreadableJob,
    WorkerUnreachable,
    WrongStatus,
)
from app.explanation import Explanation
from app.models import Job

router = APIRouter(tags=["jobs"])


@router.get(
    "/jobs/{job_id}",
    response_model=Job,
    responses={
        **answers(UnknownJob, JobGone, UnreadableJob, InvalidEventId, changes=False),
        200: {"description": "The job", "content": FORMS, "headers": PREFERENCE_APPLIED},
        202: {"model": Job, "description": "Not ended yet", "headers": PREFERENCE_APPLIED},
        204: {"description": "A stream whose end the caller has had already"},
    },
    # An id is read where the answer is a stream; elsewhere anything will do.
    openapi_extra={"parameters": [PREFER, LAST_EVENT_ID | {"schema": {"type": "string"}}]},
)
async def get_job(job_id: str, request: Request, service: ServiceDep) -> Response:
    """Give a job as it stands, with its result or its error; a browser gets a page of it.

    With `Prefer: wait=N` it is given once it has ended, or as it stands after N seconds: 202. With
    `Accept: text/event-stream` its changes are streamed, as by `GET /jobs/{job_id}/events`.
    """
    if wants_page(request.scope):
        return await job_page(request.scope, service, job_id)
    if wants_stream(request):
        return stream_of_job(request, service, job_id)
    seconds = preferred_wait(request.scope)
    if seconds is not None:
        waiting = service.waiting.wait(job_id, seconds)
        job = await unless_left(request.receive, waiting)
        return waited_response(job, seconds)
    return job_response(await service.lookup.job(job_id))


@router.get(
    "/jobs/{job_id}/result",
    responses={
        **answers(UnknownJob, JobGone, UnreadableJob, NoResultYet, changes=False),
        200: {"description": "The bare result", "content": {"application/json": {"schema": {}}}},
    },
    response_class=Response,
)
async def get_result(job_id: str, service: ServiceDep) -> Response:
    """Give the bare result of a finished job."""
    job = await service.lookup.job(job_id)
    if job.status != "finished":
        raise NoResultYet(job_id=job_id, status=job.status)
    return Response(pydantic_core.to_json(job.result), media_type="application/json")


@router.get(
    "/jobs/{job_id}/explain", responses=answers(UnknownJob, JobGone, UnreadableJob, changes=False)
)
async def explain_job(job_id: str, service: ServiceDep) -> Explanation:
    """Say why a job has not run yet, what it is at, or why it ended so."""
    return await service.explainer.explain(job_id)


@router.post(
    "/jobs/{job_id}/cancel",
    response_model=Job,
    responses=answers(UnknownJob, JobGone, UnreadableJob, WrongStatus),
)
async def cancel_job(job_id: str, request: Request, service: ServiceDep) -> Response:
    """Cancel a job that has not begun."""
    reason = f"a caller canceled it ({_who(request)})"
    return _changed(request, await service.control.cancel(job_id, reason))


@router.post(
    "/jobs/{job_id}/stop",
    response_model=Job,
    responses=answers(UnknownJob, JobGone, UnreadableJob, WrongStatus, WorkerUnreachable),
)
async def stop_job(job_id: str, request: Request, service: ServiceDep) -> Response:
    """End a running job: the process that executes it is killed, and it is not retried."""
    return _changed(request, await service.control.stop(job_id, _who(request)))


@router.post(
    "/jobs/{job_id}/retry",
    response_model=Job,
    responses=answers(UnknownJob, JobGone, UnreadableJob, WrongStatus),
)
async def retry_job(job_id: str, request: Request, service: ServiceDep) -> Response:
    """Queue a failed, stopped or canceled job again, with all its attempts anew."""
    return _changed(request, await service.control.retry(job_id))


@router.delete(
    "/jobs/{job_id}",
    response_model=Job,
    responses=answers(UnknownJob, JobGone, UnreadableJob, WrongStatus),
)
async def delete_job(job_id: str, service: ServiceDep) -> Response:
    """Delete a job that is not running, and all that is kept of it; answers with what it was."""
    return job_response(await service.control.delete(job_id))


def _who(request: Request) -> str:
    """Name who asks by the request's id: the activity log has the rest of it."""
    return f"request {request.scope['state']['request_id']}"


def _changed(request: Request, job: Job) -> Response:
    """Answer with a job that was changed; a form of its page is sent back there."""
    return back_to_page(job) if wants_page(request.scope) else job_response(job)
