"""The list of jobs: what it can be asked for, and a page of it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.models import Job, JobStatus
from app.options import MOST_LABELS, Label

LARGEST_PAGE = 100  # jobs
LONGEST_CURSOR = 400  # characters

Cursor = Annotated[str, Field(max_length=LONGEST_CURSOR)]


class JobFilter(BaseModel):
    """Which jobs are wanted; each filter that is given has to fit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: tuple[JobStatus, ...] = Field(
        default=(), max_length=100, description="any of these; repeatable"
    )
    queue: str | None = Field(default=None, min_length=1, max_length=200)
    task: str | None = Field(default=None, min_length=1, max_length=200)
    label: tuple[Label, ...] = Field(
        default=(), max_length=MOST_LABELS, description="all of these; repeatable"
    )


class JobQuery(JobFilter):
    """Which jobs are wanted, and which page of them."""

    limit: int = Field(default=50, ge=1, le=LARGEST_PAGE, description="jobs on a page, at most")
    cursor: Cursor | None = Field(default=None, description="`next` of the page before")


class JobPageLinks(BaseModel):
    """Where the page is found, and the one behind it; paths on this service."""

    self: str
    next: str | None


class JobPage(BaseModel):
    """Some jobs, newest first. While `next` is there, so may be more, even where none are here."""

    jobs: list[Job]
    next: str | None = Field(description="the cursor of the page behind it; null where it is last")
    links: JobPageLinks
