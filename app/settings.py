"""The service's settings, read once from the environment into one frozen object."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.errors import InvalidSettings
from app.webhooks import PREFIX, key_of

ENV_PREFIX = "TASK_API_"
"""What the variable of every setting but `REDIS_URL` begins with."""

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"

_DAY = 86_400
_MEBIBYTE = 1_048_576
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://")
_ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")

FIRST_SEGMENTS = frozenset(
    {"batches", "dashboard", "docs", "events", "health", "jobs", "metrics", "openapi.json"}
    | {"pages", "problems", "queues", "schedules", "shared", "tasks", "workers"}
)
"""How the service's own addresses begin, and a root path may not: whether a proxy has cut it off
`/jobs/1` could not be told."""


class Settings(BaseSettings):
    """What a deployment may choose. Every setting but `REDIS_URL` has the prefix `TASK_API_`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # a mistyped REDIS_URL holds its password all the same
    )

    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        description="Redis' address: `redis://`, `rediss://`, `unix://` or `redis+sentinel://`. "
        "Unset: `redis://127.0.0.1:6379/0`, and `make up` starts a Redis of its own",
    )
    task_modules: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("jobs",), description="packages or modules that hold tasks; submodules included"
    )
    queues: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("high", "default", "low"),
        description="the queues, in order of priority; a job for another queue is refused",
    )
    activity_log: Path = Field(
        default=Path("activity.jsonl"), description="file of one JSON line for each response"
    )
    root_path: str = Field(
        default="", description="path that a proxy shows the service under, before every link"
    )
    allow_anonymous: bool = Field(
        default=False, description="allow the open API to listen beyond loopback"
    )
    max_body_bytes: int = Field(
        default=_MEBIBYTE, ge=1, description="largest request body, in bytes"
    )
    max_queue_length: int = Field(
        default=1_000_000, ge=1, description="jobs waiting in one queue before it answers 503"
    )
    result_ttl: int = Field(
        default=_DAY, ge=0, description="seconds that a finished job and its result are kept"
    )
    failure_ttl: int = Field(
        default=7 * _DAY, ge=0, description="seconds that a failed or canceled job is kept"
    )
    idempotency_ttl: int = Field(
        default=_DAY,
        ge=1,
        description="seconds that an Idempotency-Key and its answer are remembered",
    )
    callback_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="what callbacks are signed with, `whsec_` and base64; each of them signs. "
        "Unset: one is made once, and kept in Redis; `python -m app secret` prints it",
    )
    callback_allow_inner: bool = Field(
        default=False, description="send callbacks to addresses that are not public, too"
    )
    callback_queue: str | None = Field(
        default=None, description="queue of all callbacks; unset, each waits in its job's own"
    )
    share_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="what share links are signed with. Unset: made once, and kept in Redis",
    )
    dashboard: bool = Field(default=True, description="serve rq-dashboard at `/dashboard`")
    host: str = Field(default="127.0.0.1", description="address that `make up` listens on")
    port: int = Field(
        default=8000, ge=1, le=65_535, description="port of `make up`, or the next free one"
    )
    workers: int = Field(default=2, ge=1, le=64, description="workers that `make up` starts")
    takeover_after: int = Field(
        default=15, ge=5, description="seconds after which a dead worker's jobs are run again"
    )
    renew_after_jobs: int = Field(
        default=100_000, ge=1, description="jobs after which a worker renews its process"
    )
    renew_after_growth: int = Field(
        default=512 * _MEBIBYTE,
        ge=_MEBIBYTE,
        description="bytes that a worker's process may grow before it is renewed",
    )
    shutdown_grace: int = Field(
        default=7,
        ge=0,
        description="seconds that a worker told to end leaves its running job, then requeues it",
    )
    data_dir: Path = Field(default=Path(".data"), description="folder of `make up`'s own Redis")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is logged"
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            InvalidSettings: names each variable that will not do, and why.
        """
        try:
            return cls()
        except ValidationError as error:
            reasons = [f"{_variable(each['loc'])}: {each['msg']}" for each in error.errors()]
            raise InvalidSettings(reason="; ".join(reasons)) from None

    @field_validator("task_modules", "queues", "callback_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("queues")
    @classmethod
    def _are_queue_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name at least one queue, and each only once")
        if bad := [name for name in value if not _QUEUE_NAME.fullmatch(name)]:
            raise ValueError(f"{bad[0]!r} is no queue name; use letters, digits, `_`, `-`, `.`")
        return value

    @field_validator("callback_secrets")
    @classmethod
    def _are_webhook_secrets(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            if not secret.get_secret_value().startswith(PREFIX):
                raise ValueError(f"each begins with {PREFIX}; `python -m app secret --new` has one")
            key_of(secret.get_secret_value())
        return value

    @field_validator("callback_queue")
    @classmethod
    def _is_one_of_the_queues(cls, value: str | None, info: ValidationInfo) -> str | None:
        queues = info.data.get("queues")  # not there where they will not do themselves
        if value is not None and queues is not None and value not in queues:
            raise ValueError(f"{value!r} is none of the queues {', '.join(queues)}; add it there")
        return value

    @field_validator("root_path")
    @classmethod
    def _is_root_path(cls, value: str) -> str:
        if not _ROOT_PATH.fullmatch(value):
            raise ValueError("begins with a slash and ends without, as /tasks-api; nothing else")
        if value[1:].partition("/")[0] in FIRST_SEGMENTS:
            raise ValueError(f"{value} is an address of the service itself; take another one")
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(_REDIS_SCHEMES):
            raise ValueError(f"REDIS_URL must start with one of {', '.join(_REDIS_SCHEMES)}")
        return value

    @property
    def redis_dsn(self) -> str:
        """Redis' address with its password: for the client alone, never for a log."""
        return self.redis_url.get_secret_value() if self.redis_url else DEFAULT_REDIS_URL


def _variable(place: tuple[int | str, ...]) -> str:
    """Give the environment variable of a setting, from the place that Pydantic names."""
    name = str(place[0]).upper()
    return name if name == "REDIS_URL" else f"{ENV_PREFIX}{name}"
