"""The settings: where they come from, what they are by default, and what they refuse."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.errors import InvalidSettings
from app.settings import DEFAULT_REDIS_URL, Settings


def test_the_defaults_are_those_that_are_documented():
    settings = Settings()

    assert settings.redis_url is None
    assert settings.redis_dsn == DEFAULT_REDIS_URL == "redis://127.0.0.1:6379/0"
    assert settings.task_modules == ("jobs",)
    assert settings.queues == ("high", "default", "low")
    assert settings.activity_log == Path("activity.jsonl")
    assert settings.allow_anonymous is False
    assert settings.max_body_bytes == 1024**2
    assert settings.max_queue_length == 1_000_000
    assert (settings.result_ttl, settings.failure_ttl) == (86_400, 7 * 86_400)
    assert settings.dashboard is True


def test_the_environment_is_read_with_the_prefix_and_redis_url_without(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:secret@redis.example:1/2")
    monkeypatch.setenv("TASK_API_TASK_MODULES", "mine, jobs.email,")
    monkeypatch.setenv("TASK_API_QUEUES", "fast, slow")
    monkeypatch.setenv("TASK_API_PORT", "9000")
    monkeypatch.setenv("TASK_API_DASHBOARD", "false")
    monkeypatch.setenv("TASK_API_LOG_LEVEL", "debug")
    monkeypatch.setenv("QUEUES", "not,ours")

    settings = Settings()

    assert settings.redis_dsn == "redis://:secret@redis.example:1/2"
    assert settings.task_modules == ("mine", "jobs.email")
    assert settings.queues == ("fast", "slow")
    assert (settings.port, settings.dashboard, settings.log_level) == (9000, False, "debug")


def test_an_empty_variable_is_as_one_that_is_not_set(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("TASK_API_PORT", "")

    assert (Settings().redis_url, Settings().port) == (None, 8000)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "rediss://user:password@redis.example:6380/1",
        "unix:///run/redis.sock?db=1",
        "redis+sentinel://a:1,b:2/service/0",
    ],
)
def test_every_kind_of_redis_address_is_taken(monkeypatch, url):
    monkeypatch.setenv("REDIS_URL", url)

    assert Settings().redis_dsn == url


def test_a_password_is_not_shown(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@localhost")

    assert "hunter2" not in repr(Settings()) + str(Settings().model_dump())


@pytest.mark.parametrize(
    "url", ["http://:hunter2@x", ":hunter2@localhost:6379", "REDIS://:hunter2@x"]
)
def test_a_wrong_address_is_refused_without_showing_its_password(monkeypatch, url):
    monkeypatch.setenv("REDIS_URL", url)

    with pytest.raises(
        ValidationError, match="REDIS_URL must start with one of redis://"
    ) as refused:
        Settings()

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUEUES", ","),
        ("QUEUES", "a,a"),
        ("QUEUES", "a b"),
        ("QUEUES", "a:b"),
        ("QUEUES", "ä"),
        ("QUEUES", "a" * 65),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("WORKERS", "0"),
        ("WORKERS", "65"),
        ("MAX_BODY_BYTES", "0"),
        ("MAX_QUEUE_LENGTH", "0"),
        ("RESULT_TTL", "-1"),
        ("FAILURE_TTL", "-1"),
        ("SHUTDOWN_GRACE", "-1"),
        ("LOG_LEVEL", "loud"),
        ("DASHBOARD", "perhaps"),
        ("ROOT_PATH", "/"),
        ("ROOT_PATH", "tasks-api"),
        ("ROOT_PATH", "/tasks-api/"),
        ("ROOT_PATH", "/a//b"),
        ("ROOT_PATH", "//evil.example"),
        ("ROOT_PATH", "/a/../b"),
        ("ROOT_PATH", "/.."),
        ("ROOT_PATH", "/./a"),
        ("ROOT_PATH", "/a?b"),
        ("ROOT_PATH", "/a#b"),
        ("ROOT_PATH", "/a b"),
        ("ROOT_PATH", "/%61"),
        ("ROOT_PATH", "/a\n"),
        ("ROOT_PATH", "https://example.com/a"),
        ("ROOT_PATH", "/tasks"),
        ("ROOT_PATH", "/jobs/v1"),
    ],
)
def test_a_value_that_will_not_do_is_refused_at_start(monkeypatch, name, value):
    monkeypatch.setenv(f"TASK_API_{name}", value)

    with pytest.raises(ValidationError) as refused:
        Settings()

    assert [found["loc"][0] for found in refused.value.errors()] == [name.lower()]


@pytest.mark.parametrize("names", ["a", "A-1_b.c", "a" * 64])
def test_a_queue_may_be_named_with_letters_digits_and_three_signs(monkeypatch, names):
    monkeypatch.setenv("TASK_API_QUEUES", names)

    assert Settings().queues == (names,)


def test_everything_that_will_not_do_is_told_at_once_by_its_variable(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "http://:hunter2@x")
    monkeypatch.setenv("TASK_API_PORT", "http")
    monkeypatch.setenv("TASK_API_QUEUES", "a,a")

    with pytest.raises(InvalidSettings) as refused:
        Settings.load()

    for told in ("REDIS_URL: ", "TASK_API_PORT: ", "TASK_API_QUEUES: "):
        assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_settings_that_will_do_are_loaded(monkeypatch):
    monkeypatch.setenv("TASK_API_PORT", "9000")

    assert Settings.load() == Settings(port=9000)


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


def test_each_setting_says_what_it_is_for():
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]

    assert undescribed == []


def test_the_queue_of_callbacks_is_one_of_the_queues(monkeypatch):
    monkeypatch.setenv("TASK_API_QUEUES", "fast,slow,callbacks")
    monkeypatch.setenv("TASK_API_CALLBACK_QUEUE", "callbacks")
    assert Settings.load().callback_queue == "callbacks"

    monkeypatch.setenv("TASK_API_CALLBACK_QUEUE", "others")
    with pytest.raises(InvalidSettings, match=r"TASK_API_CALLBACK_QUEUE: .*fast, slow, callbacks"):
        Settings.load()
    monkeypatch.setenv("TASK_API_QUEUES", "a,a")
    with pytest.raises(InvalidSettings, match="each only once") as refused:
        Settings.load()
    assert "CALLBACK_QUEUE" not in str(refused.value)
