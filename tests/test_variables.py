"""Variables that are named like a setting and are none."""

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.main import create_app
from app.settings import Settings
from app.variables import unknown_variables, warn_of_unknown_variables


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("TASK_API_QUEUE", "TASK_API_QUEUES"),
        ("TASK_API_RESULT_TLL", "TASK_API_RESULT_TTL"),
        ("TASK_API_REDIS_URL", "REDIS_URL"),
        ("task_api_worker", "TASK_API_WORKERS"),
        ("TASK_API_ZORGLUB", None),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_setting_nearest_to_it(
    monkeypatch, name, nearest
):
    monkeypatch.setenv(name, "1")

    assert unknown_variables() == {name.upper(): nearest}


def test_every_setting_of_ours_is_known(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    for name in Settings.model_fields:
        monkeypatch.setenv(f"TASK_API_{name}", "1")
    monkeypatch.delenv("TASK_API_redis_url")
    monkeypatch.setenv("TASKS_QUEUE", "not ours")

    assert unknown_variables() == {}


class Server(BaseModel):
    port: int = 0


class OfATaskModule(BaseSettings):
    """Settings as a task module may have them, beside ours."""

    model_config = SettingsConfigDict(env_prefix="Task_Api_Shop_", env_nested_delimiter="__")

    currency: str = "EUR"
    server: Server = Server()
    owner: str = Field(default="", validation_alias="TASK_API_OWNER")
    place: str = Field(
        default="", validation_alias=AliasChoices("TASK_API_PLACE", AliasPath("TASK_API_AT", 0))
    )


def test_the_settings_of_task_modules_are_known_too(monkeypatch):
    for name in ("SHOP_CURRENCY", "SHOP_SERVER__PORT", "OWNER", "PLACE", "AT"):
        monkeypatch.setenv(f"TASK_API_{name}", "1")
    monkeypatch.setenv("TASK_API_SHOP_CURENCY", "CHF")

    assert unknown_variables() == {"TASK_API_SHOP_CURENCY": "TASK_API_SHOP_CURRENCY"}


def test_what_is_set_in_vain_is_a_warning_of_one_line(monkeypatch, caplog):
    monkeypatch.setenv("TASK_API_QUEUE", "secret,fast")

    warn_of_unknown_variables()

    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("setting.unknown name=TASK_API_QUEUE nearest=TASK_API_QUEUES;")
    assert "secret" not in record.message


def test_the_api_warns_at_its_start_once_the_task_modules_are_loaded(
    monkeypatch, capsys, settings, shipped
):
    monkeypatch.setenv("TASK_API_QUEUE", "fast")
    monkeypatch.setenv("TASK_API_OUTBOX", "of a shipped job")

    create_app(settings, shipped)

    assert capsys.readouterr().err.count("setting.unknown") == 1
