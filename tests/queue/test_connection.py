"""How Redis is reached: every kind of address, against servers that listen there."""

import asyncio
import select
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
import redis.exceptions
import trustme

from app.errors import InvalidSettings
from app.local.ports import any_free
from app.queue.connection import (
    ANSWER_TIMEOUT,
    connect,
    connect_async,
    dedicated,
    fileno,
    limit_patience,
)
from app.settings import Settings
from tests.queue.conftest import wait_until

PASSWORD = "p@ss:w/rd%25"
QUOTED = "p%40ss%3Aw%2Frd%2525"


def both(url, key="key"):
    """Write with the blocking client, read with the other one."""
    settings = Settings(redis_url=url)
    with connect(settings) as client:
        client.set(key, "written")

    async def read():
        async with connect_async(settings) as client:
            return await client.get(key)

    assert asyncio.run(read()) == b"written"


def failures(url, **options):
    """Give what both clients raise, and the seconds that they took."""
    settings = Settings(redis_url=url)

    def blocking():
        with connect(settings, **options) as client:
            client.ping()

    async def waiting():
        async with connect_async(settings, **options) as client:
            await client.ping()

    for run in (blocking, lambda: asyncio.run(waiting())):
        begun = time.monotonic()
        with pytest.raises(redis.exceptions.RedisError) as failed:
            run()
        yield failed.value, time.monotonic() - begun


def test_a_server_is_reached_by_tcp(redis_url, redis_client):
    both(redis_url)

    assert redis_client.get("key") == b"written"


def test_a_server_with_a_password_is_reached_in_the_database_that_is_named(serve):
    port = serve("--requirepass", PASSWORD)

    both(f"redis://:{QUOTED}@127.0.0.1:{port}/3")

    with redis.Redis(port=port, password=PASSWORD, db=3) as client:
        assert client.get("key") == b"written"


def test_a_wrong_password_is_told(serve):
    port = serve("--requirepass", PASSWORD)

    for error, _ in failures(f"redis://:wrong@127.0.0.1:{port}"):
        assert isinstance(error, redis.exceptions.AuthenticationError)


def test_a_server_is_reached_by_its_socket(serve):
    with tempfile.TemporaryDirectory() as folder:  # a socket's path may have 107 bytes
        path = Path(folder) / "redis.sock"
        serve("--unixsocket", str(path))

        both(f"unix://{path}?db=2")

        with redis.Redis(unix_socket_path=str(path), db=2) as client:
            assert client.get("key") == b"written"


@pytest.fixture
def tls(tmp_path, redis_program):
    """Options of a server that speaks TLS, and the file of the authority that it trusts."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    names = {"ca": tmp_path / "ca.pem", "cert": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}
    authority.cert_pem.write_to_path(names["ca"])
    certificate.cert_chain_pems[0].write_to_path(names["cert"])
    certificate.private_key_pem.write_to_path(names["key"])
    # Without a certificate it does not start; what it says tells whether it knows of TLS at all.
    refused = subprocess.run(
        [redis_program, "--port", "0", "--tls-port", "1"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    if "configure TLS" not in refused.stdout:
        pytest.skip("this server was built without TLS")
    files = (("--tls-ca-cert-file", "ca"), ("--tls-cert-file", "cert"), ("--tls-key-file", "key"))
    options = [part for option, name in files for part in (option, str(names[name]))]
    return [*options, "--tls-auth-clients", "no"], names["ca"]


def test_a_server_is_reached_by_tls_that_is_checked(serve, tls):
    options, authority = tls
    free = any_free("127.0.0.1")
    port = serve(*options, "--port", "0", "--tls-port", str(free), port=free)

    both(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority}")

    for error, _ in failures(f"rediss://127.0.0.1:{port}/0"):
        assert "certificate verify failed" in str(error)


# A Redis that is away.


def test_a_server_that_refuses_is_told_at_once():
    for error, seconds in failures(f"redis://127.0.0.1:{any_free('127.0.0.1')}"):
        assert isinstance(error, redis.exceptions.ConnectionError)
        assert seconds < 10


def test_a_server_that_accepts_and_says_nothing_is_given_up_within_a_second():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for error, seconds in failures(f"redis://127.0.0.1:{silent.getsockname()[1]}"):
            assert isinstance(error, redis.exceptions.RedisError)
            assert ANSWER_TIMEOUT * 0.9 < seconds < 30


def test_a_command_whose_answer_is_lost_is_not_sent_again(proxy, redis_client):
    settings = Settings(redis_url=proxy.url)

    async def push(value):
        async with connect_async(settings) as client:
            await client.rpush("list", value)

    with connect(settings) as client:
        client.rpush("list", 1)
        asyncio.run(push(2))
        proxy.lose_reply_to = b"RPUSH"
        with pytest.raises(redis.exceptions.ConnectionError):
            client.rpush("list", 3)
        with pytest.raises(redis.exceptions.ConnectionError):
            asyncio.run(push(4))
        proxy.lose_reply_to = None
        client.rpush("list", 5)

    assert len(proxy.taken) == 2
    assert redis_client.lrange("list", 0, -1) == [b"1", b"2", b"3", b"4", b"5"]


def test_a_worker_may_wait_longer_than_a_request(redis_url):
    with connect(Settings(redis_url=redis_url), socket_timeout=None) as client:
        assert client.blpop("nothing", timeout=1) is None


# Sentinels.


@pytest.fixture
def sentinel(redis_program, tmp_path, serve):
    """Run a sentinel that watches a Redis of its own; returns both ports."""
    processes = []

    def sentinel(*options, monitor=()):
        main = serve(*options)
        port = any_free("127.0.0.1")
        lines = [f"sentinel monitor main 127.0.0.1 {main} 1", *monitor]
        file = tmp_path / "sentinel.conf"
        file.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {tmp_path}", *lines]))
        command = [redis_program, file, "--sentinel"]
        with (tmp_path / "sentinel.log").open("wb") as log:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        with redis.Redis(port=port) as client:
            wait_until(lambda: answers(client))
        return port, main

    yield sentinel
    for process in processes:
        process.terminate()
        process.wait(10)


def answers(client):
    try:
        return client.ping()
    except redis.exceptions.RedisError:
        return False


def test_a_server_is_found_by_asking_its_sentinel(sentinel):
    port, main = sentinel()

    both(f"redis+sentinel://127.0.0.1:{port}/main/4")

    with redis.Redis(port=main, db=4) as client:
        assert client.get("key") == b"written"


def test_the_next_sentinel_is_asked_where_one_is_away(sentinel):
    port, _ = sentinel()

    both(f"redis+sentinel://127.0.0.1:{any_free('127.0.0.1')},127.0.0.1:{port}/main")


def test_a_password_is_for_the_server_and_not_for_its_sentinel(sentinel):
    port, main = sentinel(
        "--requirepass", PASSWORD, monitor=[f'sentinel auth-pass main "{PASSWORD}"']
    )

    both(f"redis+sentinel://:{QUOTED}@127.0.0.1:{port}/main")
    both(f"redis+sentinel://default:{QUOTED}@127.0.0.1:{port}/main")

    with redis.Redis(port=main, password=PASSWORD) as client:
        assert client.get("key") == b"written"


def test_a_service_that_the_sentinel_does_not_know_is_told(sentinel):
    port, _ = sentinel()

    for error, _ in failures(f"redis+sentinel://127.0.0.1:{port}/other"):
        assert "'other'" in str(error)


def test_sentinels_that_are_all_away_are_told_soon():
    for error, seconds in failures(f"redis+sentinel://127.0.0.1:{any_free('127.0.0.1')}/main"):
        assert isinstance(error, redis.exceptions.ConnectionError)
        assert seconds < 10


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://localhost:26379",
        "redis+sentinel://localhost:26379/",
        "redis+sentinel:///main",
        "redis+sentinel://a:1,:2/main",
        "redis+sentinel://localhost:port/main",
        "redis+sentinel://localhost/main/first",
    ],
)
@pytest.mark.parametrize("make", [connect, connect_async])
def test_an_address_of_sentinels_that_says_too_little_is_refused(url, make):
    with pytest.raises(InvalidSettings, match="REDIS_URL"):
        make(Settings(redis_url=url))


def test_a_sentinel_without_a_port_is_asked_at_the_usual_one():
    client = connect(Settings(redis_url="redis+sentinel://first,second:7/main"))

    manager = client.connection_pool.sentinel_manager
    asked = [each.connection_pool.connection_kwargs for each in manager.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [("first", 26_379), ("second", 7)]


# Connections of one's own.


def test_a_connection_of_ones_own_waits_as_long_as_it_must(redis_url, redis_client):
    with connect(Settings(redis_url=redis_url)) as client:
        connection = dedicated(client)
        connection.send_command("BLPOP", "line", 0)
        assert select.select([fileno(connection)], [], [], 0.05)[0] == []

        push = threading.Timer(ANSWER_TIMEOUT * 1.2, redis_client.rpush, ("line", "job"))
        push.start()
        assert connection.read_response() == [b"line", b"job"]

        push.join()
        connection.disconnect()
        assert client.ping()


def test_a_connection_of_ones_own_is_made_where_the_sentinel_says(sentinel):
    port, main = sentinel()

    with connect(Settings(redis_url=f"redis+sentinel://127.0.0.1:{port}/main")) as client:
        connection = dedicated(client)
        connection.send_command("INFO", "server")

        assert f"tcp_port:{main}".encode() in connection.read_response()
        connection.disconnect()


def test_a_client_that_somebody_else_made_can_be_told_to_wait_no_longer():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        redis.Redis(port=silent.getsockname()[1], socket_timeout=60) as client,
    ):
        begun = time.monotonic()
        with pytest.raises(redis.exceptions.RedisError):
            limit_patience(client, 0.2).ping()

    assert time.monotonic() - begun < 5
