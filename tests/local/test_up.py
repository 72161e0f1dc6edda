"""What `make up` decides before, and says while, it runs; tests/acceptance/up runs it."""

import pytest

from app.errors import RefusedAddress
from app.local import ports, up
from app.settings import Settings

HOST = "127.0.0.1"


class Waiting:
    """A supervisor whose children never become ready."""

    def __init__(self, ticks):
        self.ticks = ticks
        self.said = []

    def tick(self):
        self.ticks -= 1
        return self.ticks >= 0

    def say(self, text):
        self.said.append(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_permission(host):
    up._check_host(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_beyond_loopback_needs_one(host):
    with pytest.raises(RefusedAddress, match=host):
        up._check_host(Settings(host=host))

    up._check_host(Settings(host=host, allow_anonymous=True))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
    ],
)
def test_the_link_is_one_that_can_be_opened(host, origin):
    assert up._Address(host, 8000).origin == origin


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://user:p%40ss@redis.example:6380/1?ssl=1", "rediss://redis.example:6380/1"),
        ("redis://h:6379/0?password=secret", "redis://h:6379/0"),
        ("unix://:secret@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("redis+sentinel://:secret@a:1,b:2/main/0", "redis+sentinel://a:1,b:2/main/0"),
    ],
)
def test_no_password_of_redis_is_printed(url, shown):
    links = up._links(Settings(), up._Address(HOST, 8000), url)

    assert f"  Redis      {shown}\n" in links


def test_a_dashboard_that_is_turned_off_has_no_link():
    address = up._Address(HOST, 8000)

    assert "/dashboard" in up._links(Settings(), address, "redis://h")
    assert "/dashboard" not in up._links(Settings(dashboard=False), address, "redis://h")


def test_a_start_that_takes_long_says_what_it_waits_for(monkeypatch):
    monkeypatch.setattr(up, "_PATIENCE", 0.0)
    nobody = up._Address(HOST, ports.any_free(HOST))
    supervisor = Waiting(ticks=2)

    assert not up._becomes_ready(supervisor, nobody, begun=0.0)

    assert len(supervisor.said) == 2
    assert "GET /health/ready says:" in supervisor.said[0]
    assert "Connection refused" in supervisor.said[0]
