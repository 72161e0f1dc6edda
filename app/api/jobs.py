"""Jobs over HTTP: look at one, take its result, and what may be done to it."""

import pydantic_core
from fastapi import APIRouter, Response

from app.api.answers import answers, job_response
from app.api.service import ServiceDep
from app.errors import (
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
    responses=answers(UnknownJob, JobGone, UnreadableJob, changes=False),
)
async def get_job(job_id: str, service: ServiceDep) -> Response:
    """Give a job as it stands, with its result or its error."""
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
async def cancel_job(job_id: str, service: ServiceDep) -> Response:
    """Cancel a job that has not begun."""
    return job_response(await service.control.cancel(job_id))


@router.post(
    "/jobs/{job_id}/stop",
    response_model=Job,
    responses=answers(UnknownJob, JobGone, UnreadableJob, WrongStatus, WorkerUnreachable),
)
async def stop_job(job_id: str, service: ServiceDep) -> Response:
    """End a running job: the process that executes it is killed, and it is not retried."""
    return job_response(await service.control.stop(job_id))


@router.post(
    "/jobs/{job_id}/retry",
    response_model=Job,
    responses=answers(UnknownJob, JobGone, UnreadableJob, WrongStatus),
)
async def retry_job(job_id: str, service: ServiceDep) -> Response:
    """Queue a failed, stopped or canceled job again, with all its attempts anew."""
    return job_response(await service.control.retry(job_id))


@router.delete(
    "/jobs/{job_id}", response_model=Job, responses=answers(UnknownJob, JobGone, WrongStatus)
)
async def delete_job(job_id: str, service: ServiceDep) -> Response:
    """Delete a job that is not running, and all that is kept of it; answers with what it was."""
    return job_response(await service.control.delete(job_id))
