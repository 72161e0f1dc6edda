"""`python -m app secret`, and where the secrets of callbacks come from."""

import pytest
from pydantic import SecretStr

from app.__main__ import main
from app.errors import InvalidSettings
from app.queue import keys
from app.settings import Settings
from app.webhooks import key_of, new_secret


def test_without_a_setting_the_first_to_ask_makes_one_that_stays(
    redis_url, redis_client, monkeypatch, capsys
):
    monkeypatch.setenv("REDIS_URL", redis_url)

    assert (main(["secret"]), main(["secret"])) == (0, 0)

    first, second = capsys.readouterr().out.split()
    assert first == second == redis_client.get(keys.CALLBACK_SECRET).decode()
    assert len(key_of(first)) == 32


def test_the_settings_secrets_are_printed_one_a_line_without_redis(monkeypatch, capsys):
    new, old = new_secret(), new_secret()
    monkeypatch.setenv("TASK_API_CALLBACK_SECRETS", f"{new}, {old}")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")

    assert main(["secret"]) == 0
    assert capsys.readouterr().out.split() == [new, old]


def test_a_fresh_one_is_printed_and_kept_nowhere(redis_url, redis_client, monkeypatch, capsys):
    monkeypatch.setenv("REDIS_URL", redis_url)

    assert main(["secret", "--new"]) == 0
    assert len(key_of(capsys.readouterr().out.strip())) == 32
    assert not redis_client.exists(keys.CALLBACK_SECRET)


def test_redis_away_is_an_error_that_says_so(monkeypatch, capsys):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")

    assert main(["secret"]) == 1
    assert "REDIS_URL" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["abc", "whsec_abc", "whsec_" + "A" * 100, "whsec_ !"])
def test_a_setting_that_is_no_secret_is_refused_and_not_told(value, monkeypatch):
    monkeypatch.setenv("TASK_API_CALLBACK_SECRETS", f"{new_secret()},{value}")

    with pytest.raises(InvalidSettings) as refused:
        Settings.load()

    assert "TASK_API_CALLBACK_SECRETS" in str(refused.value)
    assert value not in str(refused.value)


def test_the_settings_do_not_show_their_secrets():
    secret = new_secret()

    assert secret not in repr(Settings(callback_secrets=(SecretStr(secret),)))
