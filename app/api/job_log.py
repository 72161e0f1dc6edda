"""A job's log over HTTP: as JSON for programs, as plain text for people."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.answers import answers
from app.api.negotiation import HTML, JSON, wanted
from app.api.repeated import EACH_ONCE
from app.api.service import ServiceDep
from app.errors import InvalidOptions, JobGone, UnknownJob, UnreadableJob
from app.models import JobLog, LogLine

TEXT = "text/plain"

FURTHEST = 2**53  # beyond it a script in Redis rounds

router = APIRouter(tags=["jobs"], dependencies=[EACH_ONCE])


@router.get(
    "/jobs/{job_id}/log",
    response_model=JobLog,
    responses={
        **answers(UnknownJob, JobGone, UnreadableJob, InvalidOptions, changes=False),
        200: {
            "description": "The log, as JSON or as plain text",
            "content": {TEXT: {"schema": {"type": "string"}}},
        },
    },
)
async def get_log(
    job_id: str,
    request: Request,
    service: ServiceDep,
    after: Annotated[
        int, Query(ge=0, le=FURTHEST, description="the place to go on from: `next` of an answer")
    ] = 0,
) -> Response:
    """Give what a job has logged and printed: its last 1,000 lines, or 64 KiB."""
    return log_response(request, await service.logs.log(job_id, after))


def log_response(request: Request, log: JobLog) -> Response:
    """Answer with a log in the form that the caller wants; a browser gets text."""
    headers = {
        "Link": f'<{request.url.path}?after={log.next}>; rel="next"',
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",  # what a task has written is no page
    }
    if wanted(request.scope, (JSON, TEXT, HTML)) == JSON:
        return Response(log.__pydantic_serializer__.to_json(log), 200, headers, JSON)
    return Response("".join(_as_text(log)), 200, headers, TEXT)


def _as_text(log: JobLog) -> Iterator[str]:
    if log.truncated:
        yield "(older lines were dropped)\n"
    for line in log.lines:
        yield f"{_moment(line)} {line.attempt} {line.level or line.stream} {line.message}\n"


def _moment(line: LogLine) -> str:
    return line.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
