"""What the doctor finds at Redis itself: away, too old, or set up so that jobs are lost."""

import time

import pytest
from pydantic import SecretStr

from app.doctor import server
from app.doctor.examination import examine
from app.doctor.finding import as_text
from app.local.ports import any_free
from tests.doctor.conftest import levels


@pytest.fixture
def configure(redis_client):
    """Change Redis' own configuration, for one test."""
    before = {}

    def configure(**changes):
        for changed, value in changes.items():
            name = changed.replace("_", "-")
            before.setdefault(name, redis_client.config_get(name)[name])
            redis_client.config_set(name, value)

    yield configure
    for name, value in before.items():
        redis_client.config_set(name, value)


def test_redis_away_is_found_and_the_password_is_not_shown(settings, capsys):
    url = f"redis://:secret@127.0.0.1:{any_free('127.0.0.1')}/0"

    findings = examine(settings.model_copy(update={"redis_url": SecretStr(url)}))

    assert [each.check for each in findings] == ["access", "activity-log", "tasks", "redis"]
    assert findings[-1].level == "fail"
    assert "does not answer" in findings[-1].message
    assert "secret" not in as_text(findings)


def test_what_redis_refuses_is_said(found, redis_client, redis_url):
    redis_client.acl_setuser(
        "small", enabled=True, passwords=["+secret"], keys="*", commands=["+ping", "+client"]
    )
    try:
        limited = SecretStr(redis_url.replace("redis://", "redis://small:secret@"))
        for part in ("redis-server", "redis-workers", "redis-jobs"):
            finding = found(part, redis_url=limited)
            assert finding.message.startswith("Redis refuses what is needed to look: ")
    finally:
        redis_client.acl_deluser("small")


def test_a_managed_redis_that_hides_its_configuration_is_no_trouble(found, redis_client, redis_url):
    redis_client.acl_setuser(
        "managed",
        enabled=True,
        passwords=["+secret"],
        keys="*",
        commands=["+@all", "-config", "-command"],
    )
    try:
        managed = SecretStr(redis_url.replace("redis://", "redis://managed:secret@"))
        assert found("append-only-file", redis_url=managed).message == (
            "on, appendfsync unknown: Redis does not say how often it is written"
        )
        assert levels(found("redis-commands", redis_url=managed)) == ("warn", False)
    finally:
        redis_client.acl_deluser("managed")


def test_an_old_redis_is_too_old():
    assert server._version({"redis_version": "6.0.16"}).level == "fail"
    assert server._version({"redis_version": "6.2.14"}).level == "ok"
    valkey = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.1"}
    assert server._version(valkey).message == "valkey 8.1.1"


def test_a_command_that_redis_lacks_is_named(found, redis_client, monkeypatch):
    assert levels(found("redis-commands")) == ("ok", True)

    monkeypatch.setattr(server, "COMMANDS", (*server.COMMANDS, "BLFROB"))

    assert found("redis-commands").message == "Redis lacks BLFROB"


def test_a_redis_that_drops_keys_is_told_apart_from_one_that_would(found, configure):
    assert levels(found("eviction")) == ("ok", True)
    configure(maxmemory_policy="allkeys-lru")
    assert levels(found("eviction")) == ("warn", False)
    configure(maxmemory="1gb")
    assert levels(found("eviction")) == ("fail", False)


def test_a_redis_without_its_append_only_file_loses_jobs(found, configure):
    assert found("append-only-file").message.startswith("on, appendfsync ")
    configure(appendfsync="no")
    assert levels(found("append-only-file")) == ("warn", False)
    configure(appendonly="no")
    assert levels(found("append-only-file")) == ("fail", False)


def test_an_append_only_file_that_cannot_be_written_is_broken(redis_client):
    info = {"aof_enabled": 1, "aof_last_write_status": "err"}

    assert server._persistence(redis_client, info).level == "fail"


def test_memory_that_runs_out_is_told_before(found, configure, redis_client):
    assert found("memory").message.endswith("(the machine's) used")
    used = redis_client.info("memory")["used_memory"]
    configure(maxmemory=round(used / 0.82))
    assert levels(found("memory")) == ("warn", False)
    configure(maxmemory=round(used / 0.95))
    assert levels(found("memory")) == ("fail", False)
    assert server._memory({"used_memory": 3 * 1024**3}).message == (
        "3.0 GiB used, no limit is known"
    )


def test_a_clock_that_is_off_is_seen(redis_client, monkeypatch):
    real = time.time
    for off, level in ((0.0, "ok"), (5.0, "warn"), (60.0, "fail")):
        monkeypatch.setattr(server.time, "time", lambda off=off: real() + off)
        assert server._clock(redis_client).level == level
    assert "differ by 60.0" in server._clock(redis_client).message
