"""How Redis is reached: the one place that builds clients."""

from typing import Any
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.retry import Retry

from app.errors import InvalidSettings
from app.settings import Settings

PROTOCOL = 2
"""RESP's version. With 3, redis-py listens for notices of maintenance, and therefore hands out
pooled connections that Redis has closed."""

ANSWER_TIMEOUT = 0.8
"""Seconds that a caller waits for Redis, so that a request is answered 503 within a second."""

_OPTIONS = {
    "protocol": PROTOCOL,
    "socket_timeout": ANSWER_TIMEOUT,
    "socket_connect_timeout": ANSWER_TIMEOUT,
}


def connect(settings: Settings, **options: Any) -> redis.Redis:
    """Build a blocking client; it connects at its first command, and never retries by itself.

    Keyword options go to redis-py, as in `socket_timeout=None` for a worker that blocks.
    """
    options = {**_OPTIONS, "retry": Retry(NoBackoff(), 0), **options}
    if sentinels := _sentinels(settings.redis_dsn):
        hosts, service, login = sentinels
        found = redis.sentinel.Sentinel(hosts, sentinel_kwargs=options, **options, **login)
        client: redis.Redis = found.master_for(service)
        return client
    return redis.Redis.from_url(settings.redis_dsn, **options)


def connect_async(settings: Settings, **options: Any) -> redis.asyncio.Redis:
    """Build a client for an event loop; it connects at its first command and never retries.

    A retry could push one job twice: a connection lost after a write was sent does not tell whether
    it was done.
    """
    options = {**_OPTIONS, "retry": AsyncRetry(NoBackoff(), 0), **options}
    if sentinels := _sentinels(settings.redis_dsn):
        hosts, service, login = sentinels
        found = redis.asyncio.sentinel.Sentinel(hosts, sentinel_kwargs=options, **options, **login)
        client: redis.asyncio.Redis = found.master_for(service, connection_pool_class=_SentinelPool)
        return client
    return redis.asyncio.Redis.from_url(settings.redis_dsn, **options)


def limit_patience(client: redis.Redis, seconds: float) -> redis.Redis:
    """Let a client that somebody else made wait no longer than this, and send nothing twice."""
    client.connection_pool.connection_kwargs.update(
        socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0)
    )
    return client


def dedicated(client: redis.Redis, patience: float | None = None) -> Connection:
    """Open a connection of one's own, to where the client goes.

    It waits for each answer no longer than `patience` seconds, or as long as it takes. A pool's
    connection costs more than the round trip on loopback, and may be handed to somebody else.
    """
    connection: Any = client.connection_pool.make_connection()
    connection.socket_timeout = patience
    connection.connect()
    opened: Connection = connection
    return opened


def fileno(connection: Any) -> int:
    """Give the connection's socket to `select`; redis-py has no public name for it."""
    return int(connection._sock.fileno())  # noqa: SLF001


class _SentinelPool(redis.asyncio.sentinel.SentinelConnectionPool):
    """Closes the connections to its sentinels as well, which redis-py leaves open."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:  # else it is another server's turn, and nothing is closed
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


def _sentinels(url: str) -> tuple[list[tuple[str, int]], str, dict[str, Any]] | None:
    """Read `redis+sentinel://[user:password@]host:port,host:port/service/db`."""
    parts = urlsplit(url)
    if parts.scheme != "redis+sentinel":
        return None
    addresses = parts.netloc.rpartition("@")[2].split(",")
    service, _, db = parts.path.lstrip("/").partition("/")
    try:
        hosts = [
            (host, int(port or 26_379))
            for host, _, port in (address.partition(":") for address in addresses)
        ]
        login: dict[str, Any] = {"db": int(db or 0)}
    except ValueError as error:
        raise InvalidSettings(reason=f"REDIS_URL: {error}") from error
    if not service or not all(host for host, _ in hosts):
        raise InvalidSettings(
            reason="REDIS_URL names no host or no service; "
            "write redis+sentinel://host:port,host:port/service/db"
        )
    if "@" in parts.netloc:
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        login |= {"username": unquote(user) or None, "password": unquote(password) or None}
    return hosts, service, login
