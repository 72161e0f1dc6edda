"""`POST /signup`: the mail by the queue, the record of the activity by BackgroundTasks.

Why the queue for the mail: it is promised. Once this has answered 202, Redis holds the job, and the
mail goes out though this process dies, the mail server is away for an hour, or a release comes in
between; and if it never goes out, the job says why. If Redis is away nothing is promised: the
caller gets a 503 and comes again.

Why BackgroundTasks for the record: it is a line for statistics. It takes a millisecond, the caller
should not wait for the disk, and if a crash takes the last one along nobody is owed anything. (The
record that every response leaves in the activity log is written the same way, by a middleware, for
that one has to see responses that no endpoint has made.)
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import BaseModel, ConfigDict, EmailStr, Field

from app.models import Problem
from app.settings import Settings
from jobs.email import send_email

SUBJECT = "Please confirm your signup"
BODY = "Somebody, hopefully you, has signed up with this address. Answer this mail to confirm it.\n"

router = APIRouter()


class Signup(BaseModel):
    """Who signs up."""

    model_config = ConfigDict(extra="forbid")

    email: EmailStr


class SignedUp(BaseModel):
    """What has been promised."""

    email: EmailStr
    job_id: str = Field(description="the job of the mail: `GET /jobs/{job_id}` of the task API")


@router.post("/signup", status_code=202, responses={503: {"model": Problem}})
async def sign_up(signup: Signup, request: Request, background: BackgroundTasks) -> SignedUp:
    """Promise a confirmation mail."""
    job = await send_email.aenqueue(to=signup.email, subject=SUBJECT, body=BODY)
    request.state.job_id = job.id  # for the activity log
    settings: Settings = request.app.state.settings
    background.add_task(_record, settings.data_dir / "examples" / "signups.jsonl", job.id)
    return SignedUp(email=signup.email, job_id=job.id)


def _record(log: Path, job_id: str) -> None:
    # No address in it: the job has that, and is forgotten in time; this file is not.
    record = {"time": datetime.now(UTC).isoformat(), "activity": "signup", "job_id": job_id}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
