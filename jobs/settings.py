"""The settings of the shipped jobs, read once from the environment (`TASK_API_…`)."""

import re
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import ByteSize, Field, PositiveInt, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from jobs.smtp import SmtpServer

Listed = Annotated[tuple[str, ...], NoDecode]
"""Values separated by commas in the environment; NoDecode, as pydantic would expect JSON."""


class JobSettings(BaseSettings):
    """What the shipped jobs may reach: servers, folders, hosts, and how much of each.

    Relative folders stand under the directory that the worker was started in.
    """

    model_config = SettingsConfigDict(
        env_prefix="TASK_API_",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,  # a bad TASK_API_SMTP_URL would print its password
    )

    smtp_url: SecretStr | None = Field(
        default=None,
        description="Mail server: smtp://user:password@host:587 (STARTTLS where offered; always "
        "with a login or ?starttls=required; never with ?starttls=never), or smtps://host:465. "
        "Without it, mail goes to the outbox folder.",
    )
    mail_from: str = Field(
        default="task-api@localhost",
        description="Sender of every mail, as an address or `Name <address>`.",
    )
    outbox: Path = Field(
        default=Path(".data/outbox"),
        description="Maildir that takes the mails where no TASK_API_SMTP_URL is set.",
    )

    call_api_hosts: Listed = Field(
        default=(),
        description="Hosts that call_api may call: names, *.example.com for every name below "
        "one, * for every public host. None until set.",
    )
    call_api_max_bytes: ByteSize = Field(
        default=ByteSize(1024 * 1024),
        description="Largest answer that call_api takes, in bytes or as 2MiB.",
    )
    allow_inner_addresses: bool = Field(
        default=False,
        description="Let call_api and process_image connect to loopback, private and other "
        "addresses that are not public. For tests and closed networks only.",
    )

    temp_dir: Path = Field(
        default=Path(".data/tmp"),
        description="The one folder that clean_temp_files cleans.",
    )

    storage_url: str = Field(
        default=".data/storage",
        description="Root that process_image writes below: a folder, or any fsspec URL such as "
        "s3://bucket/folder.",
    )
    s3_endpoint_url: str | None = Field(
        default=None,
        description="Server for s3:// URLs where it is not Amazon's. Keys and region come from "
        "AWS's own variables and files.",
    )
    image_roots: Listed = Field(
        default=(),
        description="Folders (or fsspec URLs) that process_image may read images below. Without "
        "any, below TASK_API_STORAGE_URL only.",
    )
    image_hosts: Listed = Field(
        default=(),
        description="Hosts that process_image may fetch images from, as in "
        "TASK_API_CALL_API_HOSTS. None until set.",
    )
    image_max_bytes: ByteSize = Field(
        default=ByteSize(20 * 1024 * 1024),
        description="Largest image file that process_image reads, in bytes or as 20MiB.",
    )
    image_max_pixels: PositiveInt = Field(
        default=50_000_000,
        le=89_478_485,  # Pillow's own limit, PIL.Image.MAX_IMAGE_PIXELS
        description="Largest image, width times height, that process_image decodes or makes.",
    )

    database_url: str = Field(
        default="sqlite:///.data/items.db",
        repr=False,  # may hold a password
        description="SQLAlchemy URL of the database of process_item and daily_report.",
    )
    report_dir: Path = Field(
        default=Path(".data/reports"),
        description="Folder that daily_report writes its CSV and HTML into.",
    )
    activity_log: Path = Field(
        default=Path("activity.jsonl"),
        description="The API's activity log, which daily_report counts.",
    )

    @field_validator("call_api_hosts", "image_roots", "image_hosts", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        address = parseaddr(value)[1]
        if not value.isprintable() or not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
            raise ValueError("give an address, or `Name <address>`")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            SmtpServer.from_url(value.get_secret_value())
        return value


@cache
def job_settings() -> JobSettings:
    """Give the settings, read at the first call. A test that sets others calls `cache_clear`."""
    return JobSettings()
