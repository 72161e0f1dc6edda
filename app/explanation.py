"""What `GET /jobs/{id}/explain` answers: why a job has not run, or why it ended so."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.models import JobError, JobStatus


class LikelyWait(BaseModel):
    """How long a queued job is likely to wait, and what that is reckoned from."""

    seconds: float
    jobs_ahead: int = Field(
        description="of its own queue, and of those that its workers serve first"
    )
    run_seconds: float | None = Field(
        description="what its task, else any of its queue, took lately; null where none is kept"
    )
    workers: int = Field(description="live workers that serve its queue")


class Parent(BaseModel):
    """A job that another one waits for."""

    id: str
    status: JobStatus | str | None = Field(description="null: it was deleted, or has expired")


class RunningAttempt(BaseModel):
    """The attempt that is being executed."""

    worker: str | None
    since: datetime | None
    timeout: int | None = Field(description="seconds that it may take; null: without end")
    ends_by: datetime | None = Field(description="when its time-out ends it")
    seen_at: datetime | None = Field(description="when its worker last said that it goes on")
    lost: bool = Field(description="whether its worker is gone")
    taken_over_by: datetime | None = Field(
        description="until when another worker takes a lost one over; null where that is not known"
    )


class Explanation(BaseModel):
    """Why a job has not run yet, what it is at, or why it ended so."""

    id: str
    status: JobStatus | str
    summary: str = Field(description="all of it in one sentence")
    queue: str
    attempt: int = Field(description="executions begun so far")
    max_attempts: int
    next_attempt: int | None = Field(
        description="the attempt that comes next; null where none is to come"
    )
    run_at: datetime | None = Field(description="when a scheduled job, or a retry, is queued")
    position: int | None = Field(description="jobs before it in its queue")
    likely_wait: LikelyWait | None = Field(description="null where nothing is known")
    paused: bool = Field(description="whether its queue is paused")
    suspended: bool = Field(description="whether `rq suspend` holds all workers")
    workers: int = Field(description="live workers that serve its queue")
    scheduler: bool = Field(description="whether a live scheduler serves its queue")
    waits_for: list[Parent] = Field(
        description="jobs that a deferred one waits for, of its first 100"
    )
    running: RunningAttempt | None
    after_failure: Literal["cancel", "run"] | None = Field(
        description="what becomes of a deferred one should such a job not finish; null: it waits on"
    )
    expires_at: datetime | None = Field(
        description="when one that has not started yet is canceled for it"
    )
    key: str | None
    duplicates: int = Field(description="further calls of its key that it stands for")
    error: JobError | None = Field(
        description="why it failed or was stopped, or why its last attempt did not succeed; no "
        "traceback"
    )
    gave_up: str | None = Field(
        description="why a failed one was not tried again while it had attempts left"
    )
    canceled_because: str | None = Field(description="why it was canceled, and by whom")
    ended_at: datetime | None
    kept_until: datetime | None = Field(description="when an ended job expires")
