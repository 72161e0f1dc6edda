"""What the user of REDIS_URL may do: the commands, the keys and the channels that are needed."""

from typing import Any

import redis
from redis.exceptions import NoPermissionError, ResponseError

from app.doctor.finding import Finding, fail, ok
from app.queue import keys

_CHECK = "redis-user"
_MOST_NAMED = 8  # commands; where more are refused, the first of them will do

_THEIRS, _OURS = keys.job("doctor"), f"{keys.EVENTS}:doctor"  # nothing is read or written there
_CHANNEL = keys.worker_channel("doctor")

_ON_A_KEY = (
    *("DEL", "EXISTS", "EXPIRE . 1", "GET", "MGET", "PERSIST", "PEXPIRE . 1", "PTTL", "SET . 1"),
    *("HDEL . 1", "HEXISTS . 1", "HGET . 1", "HGETALL", "HINCRBY . 1 1", "HINCRBYFLOAT . 1 1"),
    *("HMGET . 1", "HSET . 1 1", "HSETNX . 1 1"),
    *("BLMOVE . . LEFT LEFT 1", "BLPOP . 1", "LINDEX . 0", "LLEN", "LMOVE . . LEFT LEFT", "LPOP"),
    *("LPOS . 1", "LPUSH . 1", "LRANGE . 0 0", "LREM . 1 1", "RPUSH . 1"),
    *("SADD . 1", "SISMEMBER . 1", "SMEMBERS", "SREM . 1"),
    *("ZADD . 1 1", "ZCARD", "ZCOUNT . 0 0", "ZRANGE . 0 0", "ZRANGEBYSCORE . 0 0", "ZREM . 1"),
    *("ZREMRANGEBYSCORE . 0 0", "ZREVRANGE . 0 0", "ZSCAN . 0", "ZSCORE . 1"),
    *("XADD . * 1 1", "XRANGE . - +", "XREAD STREAMS . 0", "XREVRANGE . + -"),
)
"""Commands, a dot for the key; where there is none, it comes last."""

Words = tuple[str, ...]

_WATCH: Words = ("WATCH", _THEIRS)
_MULTI: Words = ("MULTI",)
NEEDED: tuple[Words, ...] = (
    *(
        tuple((each if "." in each else f"{each} .").replace(".", _THEIRS).split())
        for each in _ON_A_KEY
    ),
    ("EXISTS", _OURS),
    ("EVAL", "return 1", "0"),
    ("EVALSHA", "0" * 40, "0"),
    ("PUBLISH", _CHANNEL, "1"),
    ("SCAN", "0"),
    ("SCRIPT", "LOAD", "return 1"),
    ("SUBSCRIBE", _CHANNEL),
    ("TIME",),
)
"""What the API, the workers and their scripts send: RQ's own code included."""


def check_permissions(client: redis.Redis) -> Finding:
    """Ask for each command within a transaction that is then discarded, so that nothing is done.

    Redis says at once what a user may not queue. `ACL DRYRUN` would say the same of any user, and
    needs Redis 7 and a permission that such a user does not have.

    Raises:
        redis.exceptions.RedisError: Redis does not answer any more.
    """
    refused = _refused(client)
    if not refused:
        return ok(_CHECK, "the user of REDIS_URL may do all that is needed")
    user, names = _user(client), list(dict.fromkeys(map(_name, refused)))
    who = f"the user {user!r}" if user else "the user of REDIS_URL"
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    rules = dict.fromkeys(_rule(command, said) for command, said in refused.items())
    return fail(
        _CHECK,
        f"{who} may not use {shown}{more}; Redis says: {next(iter(refused.values()))}",
        f"redis-cli ACL SETUSER {user or '<user>'} {' '.join(rules)}, and the same in its ACL file",
    )


def _refused(client: redis.Redis) -> dict[Words, str]:
    """Give the commands that Redis refuses to this user, with its words."""
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    try:
        asked = {_WATCH: _answer(connection, _WATCH), _MULTI: _answer(connection, _MULTI)}
        if (said := asked[_MULTI]) is not None:
            return {_MULTI: said}  # without a transaction all that follows would be done
        asked |= {command: _answer(connection, command) for command in NEEDED}
        connection.send_command("DISCARD")
        connection.read_response()
    finally:
        connection.disconnect()
        pool.release(connection)
    return {command: said for command, said in asked.items() if said}


def _answer(connection: Any, command: Words) -> str | None:
    connection.send_command(*command)
    try:
        connection.read_response()
    except NoPermissionError as error:
        return str(error)
    return None


def _name(command: Words) -> str:
    return " ".join(command[:2]) if command[0] == "SCRIPT" else command[0]


def _rule(command: Words, said: str) -> str:
    """Give the rule of an ACL that allows what was refused."""
    if " channel" in said:
        return f"'&{keys.worker_channel('*')}'"
    if " key" in said:
        return "'~rq:*' '~task-api:*'"
    return f"+{_name(command).lower().replace(' ', '|')}"


def _user(client: redis.Redis) -> str:
    try:
        name: Any = client.execute_command("ACL WHOAMI")
    except ResponseError:  # it may not ask who it is
        return ""
    return name.decode() if isinstance(name, bytes) else str(name)
