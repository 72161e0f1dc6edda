"""Send mail: over SMTP where a server is set, else into a Maildir on this machine."""

import logging
import mailbox
from email.message import EmailMessage
from email.utils import localtime, make_msgid, parseaddr
from typing import Annotated, Literal

from pydantic import BaseModel, EmailStr, Field

from app.context import job_id
from app.tasks import task
from jobs.extra import needs_extra
from jobs.settings import job_settings
from jobs.smtp import MailRefusedError, SmtpServer

with needs_extra("jobs"):
    import email_validator  # noqa: F401  EmailStr needs it, and would not name the extra

log = logging.getLogger(__name__)

NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"  # no line break, so no header of its own

Subject = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_CONTROLS)]
Body = Annotated[str, Field(max_length=500_000)]


class Receipt(BaseModel):
    """What became of a mail."""

    message_id: str
    recipient: str
    via: Literal["smtp", "maildir"]


@task(queue="high", timeout=30, retries=5, give_up_on=(MailRefusedError,))
def send_email(to: EmailStr, subject: Subject, body: Body) -> Receipt:
    """Send one e-mail, as plain text.

    A mail that the server refuses for good (5xx) is not tried again; a server that is away, or
    refuses for now (4xx), is. A job that runs twice sends the same Message-ID twice, so that a
    mail server can see that it has the mail already.
    """
    return deliver(compose(to, subject, body))


def compose(to: str, subject: str, body: str) -> EmailMessage:
    """Write a message to one recipient.

    Raises:
        ValueError: a line break in a header.

    """
    sender = job_settings().mail_from
    domain = parseaddr(sender)[1].rpartition("@")[2]
    job = job_id()
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = localtime()
    message["Message-ID"] = f"<job.{job}@{domain}>" if job else make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply, please
    message.set_content(body)
    return message


def deliver(message: EmailMessage) -> Receipt:
    """Hand a message over, and return once the server, or the disk, has it.

    Raises:
        MailRefusedError: refused for good.
        smtplib.SMTPException, OSError: not now; it may be tried again.

    """
    settings = job_settings()
    if settings.smtp_url is not None:
        SmtpServer.from_url(settings.smtp_url.get_secret_value()).send(message)
    else:
        settings.outbox.parent.mkdir(parents=True, exist_ok=True)
        mailbox.Maildir(settings.outbox).add(message.as_bytes())
    receipt = Receipt(
        message_id=message["Message-ID"],
        recipient=message["To"],
        via="maildir" if settings.smtp_url is None else "smtp",
    )
    log.info("handed over, by %s: %s", receipt.via, receipt.message_id)
    return receipt
