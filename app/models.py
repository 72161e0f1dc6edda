"""What callers read, as Pydantic models: jobs, queues, workers, problems."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

JobStatus = Literal[
    "scheduled", "deferred", "queued", "started", "finished", "failed", "stopped", "canceled"
]

ENDED = frozenset({"finished", "failed", "stopped", "canceled"})
"""The statuses of a job that is over; the last three can be retried by hand."""


class JobError(BaseModel):
    """Why a job failed."""

    type: str = Field(description="the exception's type, as in `ConnectionError`")
    message: str
    traceback: str | None = Field(default=None, description="null where the caller may not read it")


class Progress(BaseModel):
    """How far a job says that it is."""

    percent: float
    message: str | None
    updated_at: datetime


class LogLine(BaseModel):
    """One line that a job has logged or printed."""

    time: datetime
    attempt: int = Field(description="the execution that wrote it, counted from 1")
    level: str | None = Field(description="logging's name for it; null where it was printed")
    stream: Literal["stdout", "stderr"] | None = Field(description="null where it was logged")
    logger: str | None
    message: str


class JobLog(BaseModel):
    """What a job has logged and printed, of the last 1,000 lines or 64 KiB."""

    lines: list[LogLine]
    truncated: bool = Field(description="whether older lines that were asked for are dropped")
    next: int = Field(description="the place to go on from: `?after=`")


class Attempt(BaseModel):
    """One execution of a job that has ended, or goes on."""

    number: int
    started_at: datetime | None
    ended_at: datetime | None = Field(description="null while it runs")
    worker: str | None
    error: JobError | None = Field(description="why it did not succeed; no traceback")


class JobLinks(BaseModel):
    """Where the rest about a job is found; paths on this service."""

    self: str
    events: str
    result: str
    log: str
    explain: str
    callbacks: str
    dashboard: str | None


class Job(BaseModel):
    """One enqueued call of a task."""

    id: str
    task: str
    status: JobStatus | str = Field(description="RQ's own word; a newer RQ may know others")
    queue: str
    args: dict[str, Any]
    labels: list[str] = Field(default_factory=list)
    created_at: datetime
    enqueued_at: datetime | None = None
    run_at: datetime | None = Field(
        default=None, description="when a scheduled job, or a retry, is queued"
    )
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int = Field(default=0, description="executions begun so far")
    max_attempts: int = 1
    attempts: list[Attempt] = Field(
        default_factory=list, description="each execution begun so far, of the last 20"
    )
    progress: Progress | None = None
    result: Any = None
    error: JobError | None = None
    position: int | None = Field(
        default=None, description="jobs before it in its queue; null beyond the first 100,000"
    )
    worker: str | None = None
    batch: str | None = None
    key: str | None = None
    duplicates: int = Field(default=0, description="further jobs of its key that it stands for")
    after: list[str] = Field(default_factory=list, description="jobs that it waits for")
    expires_at: datetime | None = Field(
        default=None, description="when it is canceled unless it has started by then"
    )
    callback: str | None = None
    links: JobLinks


class TaskInfo(BaseModel):
    """One task of the catalogue."""

    name: str
    description: str
    queue: str
    timeout: int = Field(description="seconds that one attempt may take")
    retries: int
    arguments: dict[str, Any] = Field(description="JSON Schema of the request body")
    result: dict[str, Any] = Field(description="JSON Schema of the result")
    links: dict[str, str]


class QueueInfo(BaseModel):
    """One queue as it stands."""

    name: str
    priority: int = Field(description="0 is served first")
    counts: dict[str, int] = Field(description="jobs per status")
    oldest_age: float | None = Field(description="seconds that its first job has waited")
    paused: bool = Field(description="whether it is paused, or `rq suspend` holds all workers")
    workers: int = Field(description="live workers that serve it")


class WorkerInfo(BaseModel):
    """One live worker."""

    name: str
    host: str | None
    pid: int | None
    state: str
    queues: list[str]
    current_job: str | None
    born_at: datetime | None
    last_heartbeat: datetime | None
    successful_jobs: int
    failed_jobs: int
    working_seconds: float
    version: str | None


class Check(BaseModel):
    """One part of the service's readiness."""

    ok: bool
    reason: str | None = None


class Readiness(BaseModel):
    """Whether the service can do its work, and which part of it cannot."""

    ready: bool
    checks: dict[str, Check]


class FieldProblem(BaseModel):
    """One place of a request that does not fit."""

    loc: list[str | int] = Field(description="the path to it, from `body` or `query` down")
    message: str
    type: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it (application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldProblem] | None = None
    job: str | None = Field(default=None, description="id of the job that stands in the way")


class ProblemInfo(BaseModel):
    """What one error means: its message, with the names of what is filled in."""

    type: str
    title: str
    status: int
    detail: str


class Welcome(BaseModel):
    """What this service is, and where its parts are."""

    name: str
    version: str
    links: dict[str, str]
