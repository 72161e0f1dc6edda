"""Free ports."""

import socket
import sys

import pytest

from app.errors import AddressUnavailable, NoFreePort
from app.local import ports

HOST = "127.0.0.1"


@pytest.fixture
def listener():
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(listener):
    assert not ports.is_free(HOST, listener)


def test_a_port_that_somebody_holds_without_listening_is_not_free():
    with socket.socket() as held:
        held.bind((HOST, 0))
        assert not ports.is_free(HOST, held.getsockname()[1])


def test_a_port_of_a_connection_that_has_just_ended_is_free(listener):
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((HOST, port)):
            accepted, _ = server.accept()
            accepted.close()  # this side closes first and keeps TIME_WAIT

    assert ports.is_free(HOST, port)


def test_the_next_free_port_follows_one_that_is_taken(listener):
    assert listener < ports.first_free(HOST, listener) < listener + 100


def test_no_free_port_is_an_error_with_its_remedy(listener):
    with pytest.raises(NoFreePort, match=f"{listener} to {listener} .*TASK_API_PORT"):
        ports.first_free(HOST, listener, count=1)


def test_an_address_of_another_machine_is_an_error_with_its_remedy():
    with pytest.raises(AddressUnavailable, match=r"192\.0\.2\.1.*TASK_API_HOST"):
        ports.first_free("192.0.2.1", 8000)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody is kept off")
def test_a_port_is_held_for_one_at_a_time():
    first = ports.hold(6)
    assert first is not None
    assert ports.hold(6) is None

    first.close()

    again = ports.hold(6)
    assert again is not None
    again.close()


def test_any_free_port_is_none_that_an_outgoing_connection_is_given():
    assert all(20_000 <= ports.any_free(HOST) < 32_000 for _ in range(20))


def test_where_no_port_is_free_it_is_said(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda host, port: False)

    with pytest.raises(NoFreePort, match="20000 to 31999"):
        ports.any_free(HOST)


def test_any_free_port_can_be_listened_on():
    port = ports.any_free(HOST)

    with socket.create_server((HOST, port)):
        assert not ports.is_free(HOST, port)
