"""One mail server: its URL, and the hand-over of a message to it."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

SECONDS_PER_ANSWER = 10
DEFAULT_PORTS = {"smtp": 587, "smtps": 465}  # RFC 6409, RFC 8314

Tls = Literal["offered", "required", "never", "implicit"]
STARTTLS: dict[str, Tls] = {"offered": "offered", "required": "required", "never": "never"}


class MailRefusedError(Exception):
    """The server refused this message for good (5xx, RFC 5321 4.2.1): the same again is useless."""


@dataclass(frozen=True)
class SmtpServer:
    """A mail server, and how to speak to it."""

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str = field(default="", repr=False)

    @classmethod
    def from_url(cls, url: str) -> "SmtpServer":
        """Read `smtp://[user:password@]host[:port][?starttls=…]` or `smtps://…`.

        `starttls` is `offered` (use it where the server has it), `required` or `never`. With a
        login it is `required` unless the URL says otherwise, as a password is to be kept secret.

        Raises:
            ValueError: another scheme, no host, a bad port, or an unknown option.

        """
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError("a mail server is smtp://host:587 or smtps://host:465")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        starttls = options.pop("starttls", "required" if parts.username else "offered")
        if options or starttls not in STARTTLS:
            raise ValueError("the only option is starttls=offered, =required or =never")
        return cls(
            host=parts.hostname,
            port=parts.port or DEFAULT_PORTS[parts.scheme],
            tls="implicit" if parts.scheme == "smtps" else STARTTLS[starttls],
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or ""),
        )

    def send(self, message: EmailMessage) -> None:
        """Hand the message over; the server has taken it when this returns.

        Raises:
            MailRefusedError: the server refused recipient, sender or content for good.
            smtplib.SMTPException, OSError: everything else, which may pass: the server is away or
                lost, refuses for now (4xx), or refuses the login.

        """
        with self._session() as smtp:
            try:
                refused = smtp.send_message(message)
            except smtplib.SMTPRecipientsRefused as error:
                _give_up_if_for_good(min(code for code, _ in error.recipients.values()), error)
                raise
            except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
                _give_up_if_for_good(error.smtp_code, error)
                raise
            except smtplib.SMTPNotSupportedError as error:  # an address that needs SMTPUTF8
                raise MailRefusedError(str(error)) from error
            with suppress(smtplib.SMTPException):  # taken already: no answer here may repeat it
                smtp.quit()
        if refused:
            raise MailRefusedError(f"The message was sent, but not to {refused}")

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        tls = ssl.create_default_context()  # checks the certificate; SSL_CERT_FILE adds a CA
        with closing(self._connected(tls)) as smtp:
            smtp.ehlo_or_helo_if_needed()
            offered = self.tls == "offered" and smtp.has_extn("starttls")
            if offered or self.tls == "required":
                smtp.starttls(context=tls)
            if self.user is not None:
                smtp.login(self.user, self.password)
            yield smtp

    def _connected(self, tls: ssl.SSLContext) -> smtplib.SMTP:
        if self.tls == "implicit":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS_PER_ANSWER, context=tls)
        return smtplib.SMTP(self.host, self.port, timeout=SECONDS_PER_ANSWER)


def _give_up_if_for_good(code: int, error: smtplib.SMTPException) -> None:
    if code >= 500:
        raise MailRefusedError(f"The mail server refused the message: {error}") from error
