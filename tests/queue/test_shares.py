"""Tokens of share links: what we signed opens, until it expires, and nothing else does."""

import asyncio
import time

import fakeredis
import pytest
from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisConnectionError

from app.errors import RedisUnavailable, ShareOver, UnknownShare
from app.queue import shares
from app.queue.shares import Shares
from app.settings import Settings

JOB = "01a1f85a-3932-7dd6-a2c4-0749d7a3cafa"
HOUR = 3600
SECRET = "correct horse battery staple"


@pytest.fixture
def client():
    return fakeredis.FakeAsyncRedis()


@pytest.fixture
def run():
    """Run a coroutine."""
    with asyncio.Runner() as runner:
        yield runner.run


def test_a_token_opens_what_it_was_made_for(client, run):
    links = Shares(client, Settings())
    begun = time.time()

    share = run(links.make(JOB, HOUR))

    assert run(links.open(share.token)) == share
    assert share.job_id == JOB
    assert begun + HOUR - 1 <= share.expires_at.timestamp() <= time.time() + HOUR


def test_every_character_of_a_token_counts(client, run):
    links = Shares(client, Settings())
    token = run(links.make(JOB, HOUR)).token

    for place, letter in enumerate(token):
        forged = token[:place] + ("1" if letter == "0" else "0") + token[place + 1 :]
        with pytest.raises(UnknownShare):
            run(links.open(forged))


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: token + "A",
        lambda token: token[:-1],
        lambda token: "x" + token,
        lambda token: token.upper(),
        lambda token: token.replace(".", "..", 1),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.rpartition(".")[0],
        lambda _: "",
        lambda _: "ä.1.ß",
        lambda _: f"{JOB}.٣.{'A' * 43}",
    ],
)
def test_what_is_no_token_opens_nothing(client, run, change):
    links = Shares(client, Settings())
    token = run(links.make(JOB, HOUR)).token

    with pytest.raises(UnknownShare):
        run(links.open(change(token)))


def test_a_token_expires(client, run, monkeypatch):
    links = Shares(client, Settings())
    share = run(links.make(JOB, HOUR))
    now = time.time()

    monkeypatch.setattr(shares.time, "time", lambda: now + HOUR - 5)
    assert run(links.open(share.token)) == share
    monkeypatch.setattr(shares.time, "time", lambda: now + HOUR + 1)
    with pytest.raises(ShareOver):
        run(links.open(share.token))


def test_an_expired_token_whose_time_was_changed_was_never_ours(client, run):
    links = Shares(client, Settings())
    job_id, expires, signature = run(links.make(JOB, -5)).token.split(".")

    with pytest.raises(UnknownShare):
        run(links.open(f"{job_id}.{int(expires) + HOUR}.{signature}"))


def test_all_processes_agree_on_the_secret_that_is_kept_in_redis(client, run):
    first, second = Shares(client, Settings()), Shares(client, Settings())

    share = run(first.make(JOB, HOUR))

    assert run(second.open(share.token)) == share
    assert run(client.ttl("task-api:share-secret")) == -1
    assert len(run(client.get("task-api:share-secret"))) == 64
    run(client.flushall())
    with pytest.raises(UnknownShare):
        run(first.open(share.token))


def test_the_secret_of_the_settings_goes_before_it_and_needs_no_redis(client, run):
    chosen = Settings(share_secret=SecretStr(SECRET))

    share = run(Shares(client, chosen).make(JOB, HOUR))

    assert run(Shares(fakeredis.FakeAsyncRedis(), chosen).open(share.token)) == share
    assert run(client.exists("task-api:share-secret")) == 0
    with pytest.raises(UnknownShare):
        run(Shares(client, Settings(share_secret=SecretStr(SECRET + "!"))).open(share.token))


def test_without_redis_there_is_no_secret(client, run, monkeypatch):
    async def fail(*_):
        raise RedisConnectionError("gone")

    monkeypatch.setattr(client, "get", fail)

    with pytest.raises(RedisUnavailable):
        run(Shares(client, Settings()).make(JOB, HOUR))
