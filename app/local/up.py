"""`make up`: everything on this machine, started in order, watched, and ended in order."""

import http.client
import signal
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple, TextIO
from urllib.parse import urlsplit

from app.addresses import is_loopback
from app.errors import RefusedAddress
from app.local import ports
from app.local.child import Command
from app.local.embedded import EmbeddedRedis
from app.local.processes import Supervisor
from app.local.terminal import Terminal
from app.settings import Settings

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REDIS_GRACE = 1.0  # seconds; by then all is on disk, see app.local.embedded
_PROBE_SECONDS = 2.0
_PATIENCE = 15.0  # seconds after which it says what it is waiting for

_READY = """
  API        {origin}
  Docs       {origin}/docs
{dashboard}  Redis      {redis}

  Try it:
  curl -X POST {origin}/tasks/send_email -H 'content-type: application/json' \
-d '{{"to": "ada@example.com", "subject": "Hello", "body": "It works"}}'

  Ctrl-C ends everything; jobs and results are kept.
"""


class _Address(NamedTuple):
    host: str
    port: int

    @property
    def reachable_host(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared

    @property
    def origin(self) -> str:
        host = self.reachable_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def run(settings: Settings, stream: TextIO) -> None:
    """Run Redis (unless `REDIS_URL` names one), the API and the workers until a signal ends it.

    Raises a `TaskApiError` where the start fails; nothing is left running then.
    """
    begun = time.monotonic()
    _check_host(settings)
    workers = [f"worker-{number}" for number in range(1, settings.workers + 1)]
    terminal = Terminal(stream, ["up", "redis", "api", *workers])
    supervisor = Supervisor(terminal, "up")
    for number in _STOP_SIGNALS:
        # nohup has SIGHUP ignored, and means it; a script's `&` has SIGINT ignored, and does not.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, supervisor.request_stop)
    redis = None if settings.redis_url else EmbeddedRedis(settings.data_dir)
    try:
        address = _Address(settings.host, ports.first_free(settings.host, settings.port))
        if redis:
            _start_redis(redis, supervisor, address)
        env = {"REDIS_URL": redis.url if redis else settings.redis_dsn, "PYTHONUNBUFFERED": "1"}
        if not supervisor.stopping:
            supervisor.start(_api(settings, address, env))
            for name in workers:
                supervisor.start(Command(name, (sys.executable, "-m", "worker"), env))
        if address.port != settings.port:
            supervisor.say(f"port {settings.port} is taken, so the API is on {address.port}")
        if _becomes_ready(supervisor, address, begun):
            supervisor.settle()
            supervisor.say(f"ready in {time.monotonic() - begun:.1f} s")
            terminal.text(_links(settings, address, env["REDIS_URL"]))
        while supervisor.tick():
            pass
        supervisor.say(
            f"ending everything; running jobs have {settings.shutdown_grace} s, "
            "a second Ctrl-C puts them back at once"
        )
    finally:
        supervisor.stop(settings.shutdown_grace + 1, _REDIS_GRACE)  # 1 s to put the job back
        if redis:
            redis.release()


def _check_host(settings: Settings) -> None:
    """Refuse to open an API without keys to others, unless the settings say that it is meant."""
    if not (settings.allow_anonymous or is_loopback(settings.host)):
        raise RefusedAddress(host=settings.host)


def _start_redis(redis: EmbeddedRedis, supervisor: Supervisor, address: _Address) -> None:
    command = redis.reserve()
    redis.lock.describe([address.origin, redis.url])
    child = supervisor.start(command)
    redis.wait_until_ready(child.pid, supervisor.tick)


def _api(settings: Settings, address: _Address, env: Mapping[str, str]) -> Command:
    # Streams and long waits must be over before the supervisor's patience is.
    grace = max(1, settings.shutdown_grace - 2)
    argv = (sys.executable, "-m", "uvicorn", "app.main:app", "--no-access-log")
    options = {
        "--host": address.host,
        "--port": address.port,
        "--log-level": settings.log_level,
        "--timeout-graceful-shutdown": grace,
    }
    return Command("api", (*argv, *(str(word) for pair in options.items() for word in pair)), env)


def _becomes_ready(supervisor: Supervisor, address: _Address, begun: float) -> bool:
    """Wait until the API and a worker are there; False where a signal came first."""
    complain_at = begun + _PATIENCE
    while supervisor.tick():
        status, body = _probe(address, "/health/ready")
        if status == 200:
            return True
        if time.monotonic() > complain_at:
            supervisor.say(f"still waiting; GET /health/ready says: {status or ''} {body}")
            complain_at = time.monotonic() + _PATIENCE
    return False


def _probe(address: _Address, path: str) -> tuple[int, str]:
    """Give the status and body of a GET, or 0 and the reason why there is none."""
    connection = http.client.HTTPConnection(
        address.reachable_host, address.port, timeout=_PROBE_SECONDS
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


def _links(settings: Settings, address: _Address, redis_url: str) -> str:
    dashboard = f"  Dashboard  {address.origin}/dashboard\n" if settings.dashboard else ""
    return _READY.format(
        origin=address.origin, dashboard=dashboard, redis=_without_secrets(redis_url)
    )


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
