"""What the routes answer with: a job's response, and the documentation of each refusal."""

from http import HTTPStatus
from typing import Any

from fastapi import Response

from app.api.prefer import applied
from app.api.problems import MEDIA_TYPE
from app.errors import (
    CrossSiteRequest,
    InternalError,
    NotOnLoopback,
    RedisUnavailable,
    TaskApiError,
    WrongRootPath,
)
from app.models import ENDED, Job

_OF_EVERY_ROUTE = (RedisUnavailable, NotOnLoopback, WrongRootPath, InternalError)


def job_response(job: Job, status: int = 200) -> Response:
    """Answer with a job; while it runs, say where to look and when to look again."""
    headers = {"Vary": "Accept, Prefer"}
    if status == 202:
        headers |= {"Location": job.links.self, "Retry-After": "1"}
    return Response(job.__pydantic_serializer__.to_json(job), status, headers, "application/json")


def status_after_wait(job: Job) -> int:
    """Give the status of an answer to who preferred to wait for the end."""
    return 200 if job.status in ENDED else 202


def waited_response(job: Job, seconds: int) -> Response:
    """Answer with a job to who preferred to wait for its end for so many seconds."""
    response = job_response(job, status_after_wait(job))
    response.raw_headers.append(applied(seconds))
    return response


def answers(*errors: type[TaskApiError], changes: bool = True) -> dict[int | str, dict[str, Any]]:
    """Document the refusals of a route, as FastAPI's `responses`; those of every route included."""
    listed: list[type[TaskApiError]] = [*errors, *_OF_EVERY_ROUTE]
    if changes:
        listed.append(CrossSiteRequest)
    by_status: dict[int | str, list[type[TaskApiError]]] = {}
    for error in listed:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": HTTPStatus(int(status)).phrase
            + ": "
            + ", ".join(f"`{error.slug()}`" for error in found),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, found in by_status.items()
    }
