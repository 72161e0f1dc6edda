"""What callers send and read, as Pydantic models: options, jobs, queues, workers, problems."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

TEN_YEARS = 10 * 365 * 86_400  # seconds; a delay beyond it is taken for a mistake
LONGEST_RUN = 7 * 86_400  # seconds; a job's time-out may be at most a week
MOST_RETRIES = 100
MOST_PARENTS = 100  # jobs that one job waits for
MOST_LABELS = 10

_NUMBER = re.compile(r"\s*[-+]?[0-9_.]+\s*")

JobStatus = Literal[
    "scheduled", "deferred", "queued", "started", "finished", "failed", "stopped", "canceled"
]

JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Label = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]

Seconds = Annotated[float, Field(ge=0, le=TEN_YEARS, allow_inf_nan=False)]


class JobOptions(BaseModel):
    """How one job is to be enqueued, apart from its arguments; what is not set is the task's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue: str | None = Field(
        default=None, min_length=1, description="another queue than the task's own"
    )
    delay: Seconds | None = Field(default=None, description="seconds to wait before it is queued")
    run_at: AwareDatetime | None = Field(
        default=None, description="when it is queued: RFC 3339, with a zone; not with `delay`"
    )
    front: bool = Field(default=False, description="put it before all that wait in its queue")
    timeout: int | None = Field(
        default=None, ge=1, le=LONGEST_RUN, description="seconds that one attempt may take"
    )
    retries: int | None = Field(
        default=None, ge=0, le=MOST_RETRIES, description="further attempts after a failed one"
    )
    result_ttl: int | None = Field(
        default=None,
        ge=0,
        le=TEN_YEARS,
        description="seconds that its result is kept once finished",
    )
    expires: Annotated[float, Field(gt=0, le=TEN_YEARS, allow_inf_nan=False)] | None = Field(
        default=None, description="seconds from now within which it must start, else it is canceled"
    )
    after: tuple[JobId, ...] = Field(
        default=(), max_length=MOST_PARENTS, description="jobs that it waits for; repeatable"
    )
    after_failure: Literal["cancel", "run"] = Field(
        default="cancel", description="what becomes of it when one of `after` does not finish"
    )
    key: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="at most one live job of the task has this key",
    )
    key_mode: Literal["first", "reject", "replace", "debounce"] = Field(
        default="first",
        description="what becomes of a second job of the key: the first is answered in its place, "
        "or it is refused, or it replaces the waiting one, or it also begins the delay anew",
    )
    callback: str | None = Field(
        default=None, max_length=2000, description="URL that is told, signed, when it has ended"
    )
    label: tuple[Label, ...] = Field(
        default=(), max_length=MOST_LABELS, description="a word to find it by; repeatable"
    )

    @field_validator("run_at", mode="before")
    @classmethod
    def _is_no_number(cls, value: object) -> object:
        # Pydantic takes one for seconds since 1970: `run_at=60`, meant as a delay, would be past.
        if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
            raise ValueError("is no RFC 3339 time; for seconds from now, give delay")
        return value

    @field_validator("run_at")
    @classmethod
    def _is_near(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        try:
            value = value.astimezone(UTC)
        except OverflowError as error:  # an offset takes it out of the calendar
            raise ValueError("is no time of the years 1 to 9999 in UTC") from error
        if value > datetime.now(UTC) + timedelta(seconds=TEN_YEARS):
            raise ValueError("lies more than ten years ahead")
        return value

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.delay is not None and self.run_at is not None:
            raise ValueError("give delay or run_at, not both")
        return self


DEFAULT_OPTIONS = JobOptions()


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
        default=None, description="when it is canceled unless it has started"
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
    paused: bool
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
