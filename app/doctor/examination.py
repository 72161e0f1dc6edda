"""All checks, in the order in which a person would look."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from redis.exceptions import RedisError, ResponseError

from app.doctor.backlog import check_backlog
from app.doctor.crew import check_crew
from app.doctor.finding import Finding, fail, ok
from app.doctor.machine import check_access, check_activity_log, check_tasks, check_variables
from app.doctor.permissions import check_permissions
from app.doctor.server import check_server
from app.errors import InvalidSettings
from app.local.running import beside_make_up
from app.queue.connection import connect
from app.settings import Settings

PATIENCE = 5.0  # seconds for each answer of Redis


def examine_here() -> list[Finding]:
    """Check a deployment with the settings of this environment; raises nothing."""
    try:
        settings = Settings.load()
    except InvalidSettings as error:
        return [fail("settings", str(error), "set what it names; docs/configuration.md has all")]
    findings = examine(settings)
    return [check_variables(), *findings]  # after the task modules, whose settings are known now


def examine(settings: Settings) -> list[Finding]:
    """Check a deployment from this machine, with the settings that stand here; raises nothing.

    Nothing is changed. It costs the same however many jobs there are.
    """
    findings = [check_access(settings), check_activity_log(settings)]
    tasks, catalogue = check_tasks(settings)
    findings.append(tasks)
    given, settings = settings, beside_make_up(settings)
    address = f"{_shown(settings)} ({_whose(given, settings)})"
    try:
        with connect(settings, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE) as client:
            client.ping()
            findings.append(ok("redis", f"{address} answers"))
            findings.append(check_permissions(client))
            findings += _refusals_told("redis-server", check_server(client))
            findings += _refusals_told("redis-workers", check_crew(client, settings, catalogue))
            findings += _refusals_told("redis-jobs", check_backlog(client, settings, catalogue))
    except (RedisError, OSError) as error:
        findings.append(
            fail(
                "redis",
                f"{address} does not answer: {error}",
                "start it, or set REDIS_URL to where it is (`make up` prints its own); "
                "the rest could not be checked",
            )
        )
    return findings


def _refusals_told(part: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    try:
        yield from findings
    except ResponseError as error:
        yield fail(
            part,
            f"Redis refuses what is needed to look: {error}",
            "allow the user of REDIS_URL INFO, TIME, SCAN and all commands on keys rq:*",
        )


def _whose(given: Settings, used: Settings) -> str:
    if given.redis_url is not None:
        return "REDIS_URL"
    return "the `make up` that runs here" if used.redis_url else "REDIS_URL is not set"


def _shown(settings: Settings) -> str:
    """Give Redis' address without its password."""
    parts = urlsplit(settings.redis_dsn)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
