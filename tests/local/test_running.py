"""Commands beside a `make up`, which find its Redis by themselves."""

import pytest
from pydantic import SecretStr

from app.__main__ import main
from app.local.embedded import EmbeddedRedis
from app.local.running import beside_make_up
from app.queue import keys
from app.settings import Settings


@pytest.fixture
def make_up(tmp_path, monkeypatch, redis_url):
    """What a `make up` in this folder leaves for others: the lock of its data."""
    monkeypatch.chdir(tmp_path)
    lock = EmbeddedRedis(Settings().data_dir).lock
    lock.acquire()
    lock.describe(["http://127.0.0.1:8000", redis_url])
    yield lock
    lock.release()


def test_the_redis_of_the_make_up_that_runs_here_is_found(make_up, redis_url):
    settings = Settings(port=9000)

    assert beside_make_up(settings) == settings.model_copy(
        update={"redis_url": SecretStr(redis_url)}
    )
    make_up.release()
    assert beside_make_up(settings) == settings


def test_a_setting_goes_before_it(make_up):
    settings = Settings(redis_url="redis://redis.example:6379/0")

    assert beside_make_up(settings) is settings


def test_another_folder_is_another_make_up(make_up, tmp_path):
    assert beside_make_up(Settings(data_dir=tmp_path / "elsewhere")).redis_url is None


def test_the_doctor_examines_it_and_says_whose_it_is(make_up, capsys, redis_url):
    main(["doctor"])

    assert f" {redis_url} (the `make up` that runs here) answers\n" in capsys.readouterr().out


def test_the_secret_of_callbacks_is_the_one_that_is_kept_there(make_up, capsys, redis_client):
    assert main(["secret"]) == 0

    assert redis_client.get(keys.CALLBACK_SECRET).decode() == capsys.readouterr().out.strip()
