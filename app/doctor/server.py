"""Redis itself: its version, what it forgets, what it keeps, and its clock."""

import time
from collections.abc import Iterator
from typing import Any

import redis
from redis.exceptions import ResponseError

from app.doctor.finding import Finding, fail, ok, warn

LEAST_VERSION = (6, 2)
COMMANDS = (
    *("BLMOVE", "EVALSHA", "LPOS", "MULTI", "PUBLISH"),
    *("XADD", "XRANGE", "XREAD", "XREVRANGE", "ZADD"),
)
FULL, NEARLY_FULL = 0.9, 0.75  # of the memory that Redis may use
CLOCK_OFF, CLOCK_WRONG = 1.0, 10.0  # seconds

_CHOOSE_REDIS = "point REDIS_URL to Redis 6.2 or newer, or to Valkey"
_NO_EVICTION = "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"
_KEEP_FILE = "redis-cli CONFIG SET appendonly yes, and the same in redis.conf"


def check_server(client: redis.Redis) -> Iterator[Finding]:
    """Look over a Redis that answers.

    Raises:
        redis.exceptions.RedisError: it does not any more.
    """
    info: dict[str, Any] = client.info()
    yield _version(info)
    yield _commands(client)
    yield _eviction(info)
    yield _persistence(client, info)
    yield _memory(info)
    yield _clock(client)


def _version(info: dict[str, Any]) -> Finding:
    version = str(info.get("redis_version", "0"))
    name = f"{info.get('server_name') or 'redis'} {info.get('valkey_version') or version}"
    if _numbers(version) < LEAST_VERSION:
        return fail("redis-version", f"{name} is older than 6.2", _CHOOSE_REDIS)
    return ok("redis-version", name)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _commands(client: redis.Redis) -> Finding:
    try:
        # As one word: redis-py reads the answer to COMMAND itself, and breaks on what is unknown.
        known: Any = client.execute_command("COMMAND INFO", *COMMANDS)
    except ResponseError as error:
        return warn(
            "redis-commands",
            f"Redis does not say which commands it has: {error}",
            "allow this user COMMAND",
        )
    missing = [name for name, facts in zip(COMMANDS, known, strict=True) if not facts]
    if missing:
        return fail("redis-commands", f"Redis lacks {', '.join(missing)}", _CHOOSE_REDIS)
    return ok("redis-commands", "all that is needed is there")


def _eviction(info: dict[str, Any]) -> Finding:
    policy, limit = info.get("maxmemory_policy", "unknown"), info.get("maxmemory", 0)
    if policy == "noeviction":
        return ok("eviction", "noeviction: Redis never drops a job to make room")
    if limit:
        return fail("eviction", f"{policy}: a full Redis drops jobs silently", _NO_EVICTION)
    return warn("eviction", f"{policy}: it would drop jobs, were there a maxmemory", _NO_EVICTION)


def _persistence(client: redis.Redis, info: dict[str, Any]) -> Finding:
    if not info.get("aof_enabled"):
        return fail(
            "append-only-file",
            "off: a crash of Redis loses the jobs since its last snapshot",
            _KEEP_FILE,
        )
    if info.get("aof_last_write_status", "ok") != "ok":
        return fail(
            "append-only-file",
            "Redis cannot write it, and refuses new jobs",
            "look into Redis' log; its disk is most likely full",
        )
    try:
        when = str(client.config_get("appendfsync").get("appendfsync", "unknown"))
    except ResponseError:  # a managed Redis shows no configuration
        when = "unknown"
    if when == "no":
        return warn(
            "append-only-file",
            "on, but appendfsync is no: a crash of the machine loses what was not on disk yet",
            "redis-cli CONFIG SET appendfsync everysec (or always), and the same in redis.conf",
        )
    loss = {"always": "nothing confirmed is lost", "everysec": "a crash loses a second at most"}
    said = loss.get(when, "Redis does not say how often it is written")
    return ok("append-only-file", f"on, appendfsync {when}: {said}")


def _memory(info: dict[str, Any]) -> Finding:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    most, of = (
        (limit, "maxmemory")
        if limit
        else (int(info.get("total_system_memory", 0)), "the machine's")
    )
    if not most:
        return ok("memory", f"{_size(used)} used, no limit is known")
    said = f"{_size(used)} of {_size(most)} ({of}) used"
    remedy = (
        "raise maxmemory, start more workers, or keep results for less long (TASK_API_RESULT_TTL)"
    )
    if used > FULL * most:
        return fail("memory", f"{said}: a full Redis refuses new jobs", remedy)
    if used > NEARLY_FULL * most:
        return warn("memory", said, remedy)
    return ok("memory", said)


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def _clock(client: redis.Redis) -> Finding:
    before = time.time()
    seconds, micros = client.time()
    after = time.time()
    ours = (before + after) / 2
    off = abs(ours - (seconds + micros / 1_000_000))
    said = f"this machine and Redis differ by {off:.3f} s"
    remedy = "let both take their time from NTP: delays and take-overs go by these clocks"
    if off > CLOCK_WRONG:
        return fail("clock", said, remedy)
    if off > CLOCK_OFF + (after - before):
        return warn("clock", said, remedy)
    return ok("clock", said)
