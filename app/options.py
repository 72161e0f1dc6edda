"""How one job is to be enqueued: the query of `POST /tasks/{task}`; in Python, `with_options`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from app.addresses import CallbackUrl
from app.models import Job

TEN_YEARS = 10 * 365 * 86_400  # seconds; a delay beyond it is taken for a mistake
LONGEST_RUN = 7 * 86_400  # seconds; a job's time-out may be at most a week
MOST_RETRIES = 100
MOST_PARENTS = 100  # jobs that one job waits for
MOST_LABELS = 10

_NUMBER = re.compile(r"\s*[-+]?[0-9_.]+\s*")

JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"


def _printable(text: str) -> str:
    if not re.fullmatch(_PRINTABLE, text):
        raise ValueError("must hold no control characters, as line breaks and tabs are")
    return text


# The pattern is for the OpenAPI document alone: people are told in words.
Label = Annotated[
    str,
    Field(min_length=1, max_length=64, json_schema_extra={"pattern": _PRINTABLE}),
    AfterValidator(_printable),
]
Key = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": _PRINTABLE}),
    AfterValidator(_printable),
]

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
        default=(),
        max_length=MOST_PARENTS,
        description="job that it waits for; repeatable; not with `delay` or `run_at`",
    )
    after_failure: Literal["cancel", "run"] = Field(
        default="cancel", description="what becomes of it when one of `after` does not finish"
    )
    key: Key | None = Field(
        default=None, description="at most one live job of the task has this key"
    )
    key_mode: Literal["first", "reject", "replace", "debounce"] = Field(
        default="first",
        description="what becomes of a second job of the key: the first is answered in its place "
        "(`first`), or it is refused (`reject`), or it replaces one that waits (`replace`), or one "
        "that waits gets its arguments and begins its delay anew (`debounce`)",
    )
    callback: CallbackUrl | None = Field(
        default=None, description="URL that is told, signed, when it has ended"
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

    @field_validator("after", "label", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        given = list(value) if isinstance(value, list | tuple | set) else [value]
        names = [each.id if isinstance(each, Job) else each for each in given]
        # Each once; what is no text is left for the field to refuse.
        return list(dict.fromkeys(names)) if all(isinstance(n, str) for n in names) else names

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.delay is not None and self.run_at is not None:
            raise ValueError("give delay or run_at, not both")
        if self.expires is not None and self.delay is not None and self.expires <= self.delay:
            raise ValueError("expires counts from now, so it has to be greater than delay")
        if self.after and (self.delay is not None or self.run_at is not None):
            raise ValueError("give after, or a time (delay, run_at), not both")
        if self.after_failure != "cancel" and not self.after:
            raise ValueError("after_failure is about the jobs of after; give some")
        if self.key_mode != "first" and self.key is None:
            raise ValueError("key_mode is about a key; give one")
        if self.key_mode == "debounce" and self.delay is None:
            raise ValueError("key_mode=debounce begins a delay anew; give one")
        return self


DEFAULT_OPTIONS = JobOptions()
