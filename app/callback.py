"""What is sent to a callback's URL, and what `GET /jobs/{id}/callbacks` tells of it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.models import JobError, JobStatus

MOST_BYTES = 20_480  # of a message; the specification recommends less than 20 kB
LONGEST_TEXT = 1000  # characters of an error's message, and of what a receiver answered


class CallbackError(BaseModel):
    """Why the job did not finish."""

    type: str
    message: str


class CallbackData(BaseModel):
    """The job that has ended."""

    id: str
    task: str
    status: JobStatus | str | None = Field(description="null: the job is gone")
    labels: list[str] = Field(default_factory=list)
    attempt: int = Field(default=0, description="executions begun in all")
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: Any = None
    result_omitted: bool = Field(
        default=False, description="whether it was left out: too large, or not to be read"
    )
    error: CallbackError | None = None
    links: dict[str, str] = Field(description="paths on the service that ran the job")

    def without_result(self) -> "CallbackData":
        """Leave the result out, and say so."""
        return self.model_copy(update={"result": None, "result_omitted": True})


class CallbackMessage(BaseModel):
    """The body of a callback, as Standard Webhooks 1.0 recommends it."""

    type: str = Field(
        description="`job.finished`, `job.failed`, `job.stopped`, `job.canceled`, or `job.gone`: "
        "the job was deleted, or has expired, before it could be read"
    )
    timestamp: datetime = Field(description="when it ended; when it was missed, if it is gone")
    data: CallbackData

    def body(self) -> bytes:
        """Write it as it is signed and sent: JSON without spaces, bounded by leaving things out."""
        body = self.model_dump_json().encode()
        if len(body) <= MOST_BYTES:
            return body
        return (
            self.model_copy(update={"data": self.data.without_result()}).model_dump_json().encode()
        )


class CallbackTry(BaseModel):
    """One request to a callback's URL."""

    number: int
    at: datetime
    seconds: float | None = Field(
        default=None, description="that it took; null while it goes on, or where its worker died"
    )
    status: int | None = Field(default=None, description="of the answer; null without one")
    answer: str | None = Field(default=None, description="the answer's first thousand characters")
    error: str | None = Field(default=None, description="why there was no answer")


class Callback(BaseModel):
    """One message about the end of a job, and each try to send it."""

    id: str = Field(description="its `webhook-id`, the same in all tries")
    url: str
    status: JobStatus | str = Field(
        description="of the job that sends it: `deferred` until the job has ended, `scheduled` "
        "between two tries, `finished` once it was taken, `failed` once it is given up"
    )
    delivered_at: datetime | None = Field(description="when it was first answered 2xx")
    next_try_at: datetime | None = Field(description="null where none is scheduled")
    tries: list[CallbackTry] = Field(description="the last fifty")


def short(error: JobError) -> CallbackError:
    """Give an error as it is sent: without its traceback, and bounded."""
    return CallbackError(type=error.type[:LONGEST_TEXT], message=error.message[:LONGEST_TEXT])
