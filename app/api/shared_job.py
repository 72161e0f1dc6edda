"""What a share link shows of a job: how it goes and what came of it, nothing of its maker."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.models import Job, JobError, JobStatus, Progress
from app.queue.shares import Share


class SharedLinks(BaseModel):
    """Where the same link shows the rest; paths on this service."""

    self: str
    events: str
    log: str


class SharedJob(BaseModel):
    """A job without its arguments, labels, key, callback, queue, parents, workers and traceback."""

    id: str
    task: str
    status: JobStatus | str = Field(description="RQ's own word; a newer RQ may know others")
    created_at: datetime
    enqueued_at: datetime | None
    run_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    attempt: int
    max_attempts: int
    progress: Progress | None
    position: int | None
    result: Any
    error: JobError | None
    shared_until: datetime = Field(description="when the link expires")
    links: SharedLinks


def shared_job(job: Job, share: Share) -> SharedJob:
    """Reduce a job to what a share link shows of it."""
    path = share.path
    return SharedJob(
        **{name: getattr(job, name) for name in SharedJob.model_fields if name not in _REPLACED},
        error=job.error.model_copy(update={"traceback": None}) if job.error else None,
        shared_until=share.expires_at,
        links=SharedLinks(self=path, events=f"{path}/events", log=f"{path}/log"),
    )


_REPLACED = frozenset({"error", "shared_until", "links"})
