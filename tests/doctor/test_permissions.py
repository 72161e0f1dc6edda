"""What a user of Redis may not do, and the remedy."""

import re

import pytest
from pydantic import SecretStr

from app.doctor import permissions
from tests.doctor.conftest import ROOT, levels


@pytest.fixture
def found_by(found, redis_client, redis_url):
    """Examine it as a user with these rules of Redis' access lists."""

    def found_by(check, *rules):
        redis_client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pass", *rules)
        limited = redis_url.replace("redis://", "redis://limited:pass@")
        return found(check, redis_url=SecretStr(limited))

    yield found_by
    redis_client.acl_deluser("limited")


def test_a_user_that_may_do_all_is_told_so_and_nothing_is_done(found_by, redis_client):
    finding = found_by("redis-user", "~rq:*", "~task-api:*", "&rq:pubsub:*", "+@all")

    assert levels(finding) == ("ok", True)
    assert redis_client.dbsize() == 0


def test_the_remedy_for_a_user_with_too_few_commands_is_one_that_helps(found_by, redis_client):
    rules = "~*", "&*", "+@all", "-xread", "-blmove", "-script|load", "-acl"

    finding = found_by("redis-user", *rules)

    assert finding.level == "fail"
    assert "may not use BLMOVE, XREAD, SCRIPT LOAD; Redis says: " in finding.message
    assert "'blmove'" in finding.message
    _, _, remedy = finding.remedy.partition("SETUSER <user> ")
    allowed = remedy.partition(",")[0].split()
    assert allowed == ["+blmove", "+xread", "+script|load"]
    assert levels(found_by("redis-user", *rules, *allowed)) == ("ok", True)


@pytest.mark.parametrize(
    ("rules", "named", "remedy"),
    [
        (("~task-api:*", "&*"), "may not use WATCH, DEL, EXISTS, ", "'~rq:*' '~task-api:*'"),
        (("~rq:*", "&*"), "may not use EXISTS; ", "'~rq:*' '~task-api:*'"),
        (("~*", "resetchannels"), "may not use PUBLISH, SUBSCRIBE; ", "'&rq:pubsub:*'"),
    ],
)
def test_keys_and_channels_that_a_user_may_not_touch_are_told(found_by, rules, named, remedy):
    finding = found_by("redis-user", "+@all", *rules)

    assert named in finding.message
    assert finding.remedy.startswith(f"redis-cli ACL SETUSER limited {remedy}, ")


def test_a_user_without_transactions_is_sent_nothing_outside_of_one(found_by, redis_client):
    redis_client.set("rq:job:doctor", "kept")

    finding = found_by("redis-user", "~*", "&*", "+@all", "-multi")

    assert "may not use MULTI; " in finding.message
    assert redis_client.get("rq:job:doctor") == b"kept"


def test_each_command_of_the_scripts_is_asked_for():
    scripts = (ROOT / "app" / "queue" / "lua").glob("*.lua")
    used = {
        name
        for path in scripts
        for name in re.findall(r"redis\.p?call\('([A-Z]+)'", path.read_text())
    }

    assert {"XADD", "ZSCAN", "TIME"} <= used
    assert used <= {command[0] for command in permissions.NEEDED}
