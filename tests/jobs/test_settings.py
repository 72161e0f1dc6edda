from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs.settings import JobSettings, job_settings
from jobs.smtp import SmtpServer

from .conftest import Configure


def test_settings_are_read_once(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(TEMP_DIR="/one")
    first = job_settings()
    monkeypatch.setenv("TASK_API_TEMP_DIR", "/two")

    assert job_settings() is first
    assert first.temp_dir == Path("/one")


def test_lists_are_split_at_commas_and_sizes_have_units(configure: Configure) -> None:
    configure(CALL_API_HOSTS=" a.example, *.b.example,, ", CALL_API_MAX_BYTES="2MiB")

    assert job_settings().call_api_hosts == ("a.example", "*.b.example")
    assert job_settings().call_api_max_bytes == 2 * 1024 * 1024


def test_nothing_is_called_and_no_inner_address_reached_until_set() -> None:
    fields = JobSettings.model_fields

    assert fields["call_api_hosts"].default == ()
    assert fields["allow_inner_addresses"].default is False


def test_an_empty_variable_counts_as_none(configure: Configure) -> None:
    configure(SMTP_URL="")

    assert job_settings().smtp_url is None


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in JobSettings.model_fields.items() if not field.description] == []


def test_no_password_is_shown(configure: Configure) -> None:
    configure(SMTP_URL="smtp://ada:hunter2@mail.example", DATABASE_URL="postgresql://u:hunter2@h/d")

    assert "hunter2" not in repr(job_settings())
    assert "hunter2" not in repr(SmtpServer.from_url("smtp://ada:hunter2@mail.example"))


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example", "mail.example:25", "smtp://", "smtp://mail.example:99999",
        "smtp://ada:hunter2@mail.example?starttls=maybe", "smtp://mail.example?tls=1",
        "smtps://mail.example?starttls=implicit",
    ],
)  # fmt: skip
def test_a_bad_mail_server_is_an_error_at_start_without_its_password(
    configure: Configure, url: str
) -> None:
    configure(SMTP_URL=url)

    with pytest.raises(ValidationError, match="smtp_url") as caught:
        job_settings()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("sender", ["nobody", "Shop <shop>", "a b@c d", "a@b\nBcc: c@d"])
def test_a_bad_sender_is_an_error_at_start(configure: Configure, sender: str) -> None:
    configure(MAIL_FROM=sender)

    with pytest.raises(ValidationError, match="mail_from"):
        job_settings()


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 587, "offered")),
        ("smtp://mail.example:25", SmtpServer("mail.example", 25, "offered")),
        ("smtp://[::1]:25?starttls=never", SmtpServer("::1", 25, "never")),
        ("smtp://mail.example?starttls=required", SmtpServer("mail.example", 587, "required")),
        ("smtps://mail.example", SmtpServer("mail.example", 465, "implicit")),
        (
            "smtp://ada%40example.org:p%2Fw@mail.example",
            SmtpServer("mail.example", 587, "required", "ada@example.org", "p/w"),
        ),
        (
            "smtp://ada:pw@mail.example?starttls=never",
            SmtpServer("mail.example", 587, "never", "ada", "pw"),
        ),
    ],
)
def test_a_mail_server_is_read_from_its_url(url: str, server: SmtpServer) -> None:
    assert SmtpServer.from_url(url) == server
