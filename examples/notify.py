"""`POST /send-notification/{email}?message=`: a mail, and a log line behind it, in that order.

Why BackgroundTasks: the notification is a courtesy. It is tried once, nobody looks whether it came,
and a crash or a mail server that is away may swallow it. In return there is nothing beside this
process to run, and tasks of one response run one after another, in the order they were added: the
line never comes before the mail. If it had to arrive, it would be enqueued as in `signup.py`.

The order has a price: a task that raises keeps those behind it from running, and the line would be
missing just when somebody looks for it. So the mail's task keeps its failure for the line to tell.
A failure that it does not expect still ends both; the server's log then has the traceback.
"""

import logging
from dataclasses import dataclass
from smtplib import SMTPException
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query
from pydantic import BaseModel, EmailStr

from jobs.email import Receipt, send_email
from jobs.smtp import MailRefusedError

SUBJECT = "A notification for you"

logger = logging.getLogger(__name__)
router = APIRouter()


class Accepted(BaseModel):
    """What will be tried."""

    email: EmailStr


@router.post("/send-notification/{email}", status_code=202)
async def send_notification(
    email: EmailStr,
    message: Annotated[str, Query(min_length=1, max_length=1000)],
    background: BackgroundTasks,
) -> Accepted:
    """Try to send a mail, once, and log what became of it."""
    notification = _Notification(email, message)
    background.add_task(notification.send)
    background.add_task(notification.log)
    return Accepted(email=email)


@dataclass
class _Notification:
    """One mail, and what became of it."""

    email: str
    message: str
    outcome: Receipt | Exception | None = None

    def send(self) -> None:
        try:
            # A task that is called, not enqueued, runs here and now: in a thread of the pool.
            self.outcome = send_email(self.email, SUBJECT, self.message)
        except (MailRefusedError, SMTPException, OSError) as error:
            self.outcome = error

    def log(self) -> None:
        # %r: a message, or a mail server, with line breaks in its text must not forge a line.
        level = logging.WARNING if isinstance(self.outcome, Exception) else logging.INFO
        logger.log(
            level,
            "notification email=%r message=%r outcome=%r",
            self.email,
            self.message,
            self.outcome,
        )
