import mailbox
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import ValidationError

from jobs.email import Receipt, compose, deliver, send_email
from jobs.smtp import MailRefusedError

from .conftest import Configure, FakeJob


@dataclass
class MailServer:
    """A real SMTP server's handler: keeps what it is sent, or answers what a test tells it to."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    senders: list[str | None] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    hang_up_at: str | None = None

    def _answer(self, command: str, server: SMTP) -> str:
        if command == self.hang_up_at:
            server.transport.abort()
        return self.answers.get(command, "250 OK")

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self._answer("MAIL", server)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._answer("RCPT", server)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self._answer("DATA", server)
        if answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.messages.append(message_from_bytes(content, policy=policy.default))
            self.recipients += envelope.rcpt_tos
            self.senders.append(envelope.mail_from)
            self.encrypted.append(session.ssl is not None)
        return answer

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        return self._answer("QUIT", server)


class OnFreePort(Controller):
    """aiosmtpd's controller on a port that the system gives."""

    def __init__(self, handler: MailServer, **options: Any) -> None:
        super().__init__(handler, hostname="127.0.0.1", **options)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = handler.port = self._socket.getsockname()[1]

    def _create_server(self) -> Any:
        return self.loop.create_server(
            self._factory_invoker, sock=self._socket, ssl=self.ssl_context
        )


StartServer = Callable[..., MailServer]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    started: list[Controller] = []

    def start(**options: Any) -> MailServer:
        handler = MailServer()
        controller = OnFreePort(handler, **options)
        controller.start()
        started.append(controller)
        return handler

    yield start
    for controller in started:
        controller.stop()


@pytest.fixture
def server(start_server: StartServer, configure: Configure) -> MailServer:
    plain = start_server()
    configure(SMTP_URL=f"smtp://127.0.0.1:{plain.port}", MAIL_FROM="Shop <shop@example.org>")
    return plain


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate whose authority this process trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def check_login(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    known = data == LoginPassword(b"ada@example.org", b"p@ss/word")
    return AuthResult(success=known, handled=False)


LOGIN = "ada%40example.org:p%40ss%2Fword"


# Over SMTP.


def test_a_mail_arrives_with_its_subject_and_text(server: MailServer) -> None:
    receipt = send_email("grace@example.com", "Grüße 👩‍👩‍👧", "Line one\n.\nLast line: ü")

    [message] = server.messages
    assert server.recipients == ["grace@example.com"]
    assert server.senders == ["shop@example.org"]
    assert message["Subject"] == "Grüße 👩‍👩‍👧"
    assert message["From"] == "Shop <shop@example.org>"
    assert message["To"] == "grace@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.tzinfo is not None
    assert message.get_content().splitlines() == ["Line one", ".", "Last line: ü"]
    assert receipt == Receipt(
        message_id=message["Message-ID"], recipient="grace@example.com", via="smtp"
    )


def test_two_attempts_of_a_job_send_one_message_id(server: MailServer, job: FakeJob) -> None:
    for _ in range(2):
        job.claimed = False
        send_email(to="grace@example.com", subject="Hello", body="")

    assert [message["Message-ID"] for message in server.messages] == ["<job.4f1c@example.org>"] * 2


def test_outside_of_a_job_each_mail_has_a_message_id_of_its_own(server: MailServer) -> None:
    first, second = (send_email("grace@example.com", "Hello", "") for _ in range(2))

    assert first.message_id != second.message_id
    assert first.message_id.endswith("@example.org>")


@pytest.mark.parametrize("command", ["RCPT", "MAIL", "DATA"])
def test_what_the_server_refuses_for_good_is_not_tried_again(
    server: MailServer, job: FakeJob, command: str
) -> None:
    server.answers[command] = "550 5.1.1 No such user"

    with pytest.raises(MailRefusedError, match="No such user"):
        send_email(to="nobody@example.com", subject="Hello", body="")

    assert job.given_up
    assert server.messages == []


@pytest.mark.parametrize("command", ["RCPT", "MAIL", "DATA"])
def test_what_the_server_refuses_for_now_is_tried_again(
    server: MailServer, job: FakeJob, command: str
) -> None:
    server.answers[command] = "451 4.7.1 Greylisted"

    with pytest.raises(smtplib.SMTPException, match="Greylisted"):
        send_email(to="grace@example.com", subject="Hello", body="")

    assert not job.given_up


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_lost_connection_is_tried_again(server: MailServer, job: FakeJob, command: str) -> None:
    server.hang_up_at = command

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send_email(to="grace@example.com", subject="Hello", body="")

    assert not job.given_up


def test_a_server_that_is_away_is_tried_again(configure: Configure, job: FakeJob) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    configure(SMTP_URL=f"smtp://127.0.0.1:{port}")

    with pytest.raises(ConnectionRefusedError):
        send_email(to="grace@example.com", subject="Hello", body="")

    assert not job.given_up


def test_a_connection_lost_after_the_mail_was_taken_does_not_repeat_it(server: MailServer) -> None:
    server.hang_up_at = "QUIT"

    assert send_email("grace@example.com", "Hello", "").via == "smtp"
    assert len(server.messages) == 1


def test_an_address_that_the_server_cannot_hold_is_given_up(
    start_server: StartServer, configure: Configure, job: FakeJob
) -> None:
    server = start_server(enable_SMTPUTF8=False)
    configure(SMTP_URL=f"smtp://127.0.0.1:{server.port}")

    with pytest.raises(MailRefusedError, match="SMTPUTF8"):
        send_email(to="grüße@example.com", subject="Hello", body="")

    assert job.given_up


def test_an_international_address_arrives_where_the_server_can_hold_it(server: MailServer) -> None:
    send_email("grüße@example.com", "Hello", "")

    assert server.recipients == ["grüße@example.com"]


def test_a_message_that_only_some_recipients_get_says_so(server: MailServer) -> None:
    message = compose("grace@example.com", "Hello", "")
    message.replace_header("To", "grace@example.com, nobody@example.com")
    refusing = server._answer

    def refuse_the_second(command: str, connection: SMTP) -> str:
        if command == "RCPT" and connection.envelope.rcpt_tos:
            return "550 No such user"
        return refusing(command, connection)

    server._answer = refuse_the_second  # type: ignore[method-assign]

    with pytest.raises(MailRefusedError, match=r"not to .*nobody@example.com"):
        deliver(message)

    assert server.recipients == ["grace@example.com"]


# TLS and login.


def test_a_login_goes_over_starttls(
    start_server: StartServer, certificate: ssl.SSLContext, configure: Configure
) -> None:
    server = start_server(
        tls_context=certificate, require_starttls=True, authenticator=check_login,
        auth_required=True,
    )  # fmt: skip
    configure(SMTP_URL=f"smtp://{LOGIN}@127.0.0.1:{server.port}")

    assert send_email("grace@example.com", "Hello", "").via == "smtp"
    assert server.encrypted == [True]


@pytest.mark.filterwarnings(
    "ignore:Requiring AUTH while not requiring TLS"
)  # of aiosmtpd, see below
def test_a_login_goes_over_implicit_tls(
    start_server: StartServer, certificate: ssl.SSLContext, configure: Configure
) -> None:
    server = start_server(
        ssl_context=certificate, authenticator=check_login, auth_required=True,
        auth_require_tls=False,  # aiosmtpd counts STARTTLS only
    )  # fmt: skip
    configure(SMTP_URL=f"smtps://{LOGIN}@127.0.0.1:{server.port}")

    assert send_email("grace@example.com", "Hello", "").via == "smtp"
    assert len(server.messages) == 1


def test_starttls_is_used_where_it_is_offered(
    start_server: StartServer, certificate: ssl.SSLContext, configure: Configure
) -> None:
    server = start_server(tls_context=certificate)
    configure(SMTP_URL=f"smtp://127.0.0.1:{server.port}")

    send_email("grace@example.com", "Hello", "")

    assert server.encrypted == [True]


def test_starttls_never_stays_in_the_clear(
    start_server: StartServer, certificate: ssl.SSLContext, configure: Configure
) -> None:
    server = start_server(tls_context=certificate)
    configure(SMTP_URL=f"smtp://127.0.0.1:{server.port}?starttls=never")

    send_email("grace@example.com", "Hello", "")

    assert server.encrypted == [False]


@pytest.mark.parametrize(
    "url", [f"smtp://{LOGIN}@127.0.0.1:{{}}", "smtp://127.0.0.1:{}?starttls=required"]
)
def test_a_server_without_tls_gets_no_password_and_no_mail(
    server: MailServer, configure: Configure, job: FakeJob, url: str
) -> None:
    configure(SMTP_URL=url.format(server.port))

    with pytest.raises(smtplib.SMTPNotSupportedError, match="STARTTLS"):
        send_email(to="grace@example.com", subject="Hello", body="")

    assert server.messages == []
    assert not job.given_up


def test_a_certificate_of_nobody_we_trust_stops_the_mail(
    start_server: StartServer,
    certificate: ssl.SSLContext,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start_server(tls_context=certificate)
    monkeypatch.delenv("SSL_CERT_FILE")
    configure(SMTP_URL=f"smtp://127.0.0.1:{server.port}")

    with pytest.raises(ssl.SSLCertVerificationError):
        send_email("grace@example.com", "Hello", "")

    assert server.messages == []


def test_a_refused_login_leaves_the_mail_to_be_tried_again(
    start_server: StartServer, certificate: ssl.SSLContext, configure: Configure, job: FakeJob
) -> None:
    server = start_server(tls_context=certificate, authenticator=check_login, auth_required=True)
    configure(SMTP_URL=f"smtp://ada%40example.org:wrong@127.0.0.1:{server.port}")

    with pytest.raises(smtplib.SMTPAuthenticationError):
        send_email(to="grace@example.com", subject="Hello", body="")

    assert not job.given_up


# Without a server.


def test_without_a_server_mail_goes_into_a_maildir(tmp_path: Path, configure: Configure) -> None:
    configure(OUTBOX=tmp_path / "deep" / "outbox")

    receipt = send_email("grace@example.com", "Grüße", "Welcome, ü")

    [stored] = mailbox.Maildir(tmp_path / "deep" / "outbox", create=False)
    message = message_from_bytes(stored.as_bytes(), policy=policy.default)
    assert message["Subject"] == "Grüße"
    assert message["To"] == "grace@example.com"
    assert message["Message-ID"] == receipt.message_id
    assert message.get_content() == "Welcome, ü\n"
    assert receipt.via == "maildir"


# What cannot be sent.


@pytest.mark.parametrize(
    "subject", ["a\nBcc: x@example.com", "a\rb", "a\x00", "a\u2028b", "a\x85b", ""]
)
def test_a_subject_that_could_make_a_header_is_refused(subject: str) -> None:
    with pytest.raises(ValidationError, match="subject"):
        send_email("grace@example.com", subject, "")


@pytest.mark.parametrize("to", ["grace", "grace@example.com\nBcc: x@example.com", "a@b.c, d@e.f"])
def test_a_recipient_that_is_no_single_address_is_refused(to: str) -> None:
    with pytest.raises(ValidationError, match="to"):
        send_email(to, "Hello", "")


def test_a_line_break_in_a_header_is_refused_without_the_task_too(configure: Configure) -> None:
    with pytest.raises(ValueError, match="linefeed"):
        compose("grace@example.com", "Hello\nBcc: x@example.com", "")
