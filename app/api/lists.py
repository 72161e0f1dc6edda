"""The list of jobs over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.answers import answers
from app.api.repeated import EACH_ONCE
from app.api.service import ServiceDep
from app.errors import InvalidCursor, InvalidOptions
from app.job_list import JobPage, JobQuery

router = APIRouter(tags=["jobs"], dependencies=[EACH_ONCE])


@router.get(
    "/jobs",
    response_model=JobPage,
    responses=answers(InvalidCursor, InvalidOptions, changes=False),
)
async def list_jobs(query: Annotated[JobQuery, Query()], service: ServiceDep) -> Response:
    """List the jobs that are kept, newest first; filters are combined.

    Each job is as `GET /jobs/{id}` gives it, but for its position and its traceback, which are left
    out. A page may hold fewer jobs than asked for; while `next` is there, so may be more.
    """
    page = await service.listing.page(query)
    headers = {"Link": f'<{page.links.next}>; rel="next"'} if page.links.next else None
    body = page.__pydantic_serializer__.to_json(page)
    return Response(body, headers=headers, media_type="application/json")
