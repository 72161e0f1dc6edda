"""POST /send-notification/{email}: the mail, then the line, and nothing that one could forge."""

import logging
from mailbox import Maildir
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.local.ports import any_free
from examples import notify
from jobs.settings import job_settings

from .conftest import Logged
from .processes import HOST

URL = "/send-notification/ada@example.com"
OUTBOX = Path(".data/outbox")


def mails() -> list[str]:
    return [mail.as_string() for mail in Maildir(OUTBOX)] if OUTBOX.exists() else []


def test_the_line_comes_behind_the_mail(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails_at_each_line = []
    handler = logging.Handler()
    handler.emit = lambda record: mails_at_each_line.append(len(mails()))  # type: ignore[method-assign]
    monkeypatch.setattr(notify.logger, "handlers", [handler])

    for _ in range(2):
        assert client.post(URL, params={"message": "Hello"}).status_code == 202

    assert mails_at_each_line == [1, 2]


def test_the_line_tells_who_was_sent_what(client: TestClient, logged: Logged) -> None:
    client.post(URL, params={"message": "Hello"})

    _, line = logged()  # the task's own, and the one of whoever called it
    assert " INFO " in line
    assert "email='ada@example.com' message='Hello' outcome=Receipt(" in line
    [mail] = mails()
    assert "To: ada@example.com" in mail
    assert mail.endswith("Hello\n")


def test_a_mail_that_can_not_be_sent_leaves_a_line_that_says_so(
    client: TestClient, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASK_API_SMTP_URL", f"smtp://{HOST}:{any_free(HOST)}")
    job_settings.cache_clear()

    assert client.post(URL, params={"message": "Hello"}).status_code == 202

    [line] = logged()
    assert " WARNING " in line
    assert "outcome=ConnectionRefusedError(" in line


def test_without_redis_a_notification_is_sent_all_the_same(
    redis_away: None, client: TestClient
) -> None:
    assert client.post(URL, params={"message": "Hello"}).status_code == 202

    assert len(mails()) == 1


def test_an_error_that_nobody_has_expected_takes_the_line_with_it(
    client: TestClient, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(notify, "send_email", fail)

    assert client.post(URL, params={"message": "Hello"}).status_code == 202

    lines = "\n".join(logged())
    assert "RuntimeError: a bug" in lines
    assert "notification email=" not in lines


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x85", "\u2028", "\x1b[2K\x1b[1A"])
def test_a_message_with_line_breaks_forges_neither_a_log_line_nor_a_header(
    client: TestClient, logged: Logged, line_break: str
) -> None:
    message = f"Hello{line_break}12:00:00 INFO    app forged{line_break}Bcc: eve@example.com"

    assert client.post(URL, params={"message": message}).status_code == 202

    _, line = logged()  # the task's own, and the one of whoever called it
    assert line.isprintable()
    [mail] = Maildir(OUTBOX)
    assert mail["Bcc"] is None
    assert len(mail.keys()) == len(set(mail.keys()))


@pytest.mark.parametrize(
    "path",
    [
        "/send-notification/nobody?message=Hello",
        "/send-notification/ada@example.com%0D%0ABcc:eve@example.com?message=Hello",
        "/send-notification/%E2%80%AEada@example.com?message=Hello",
        "/send-notification/ada@example.com",
        "/send-notification/ada@example.com?message=",
        f"/send-notification/ada@example.com?message={'x' * 1001}",
    ],
)
def test_a_notification_that_does_not_fit_is_refused(client: TestClient, path: str) -> None:
    answer = client.post(path)

    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert mails() == []
