"""What is told to a worker over Redis: RQ's stop-job, kill-horse and shutdown."""

import contextlib
import json
from typing import Any

import redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.queue import keys
from app.queue.connection import fileno


class Commands:
    """Listens on the worker's own channel."""

    def __init__(self, connection: redis.Redis, worker: str) -> None:
        self._pubsub = connection.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(keys.worker_channel(worker))
        self._awaits_pong = False

    def fileno(self) -> int:
        """Give the socket to wait on, as `select` asks for it."""
        return fileno(self._pubsub.connection)

    def ping(self) -> None:
        """Let something pass: whatever lies between may drop a silent connection, and tell nobody.

        Raises:
            redis.exceptions.RedisError: the connection is lost, or the last ping was not answered.
        """
        if self._awaits_pong:
            raise RedisTimeoutError("the connection for commands has died")
        self._pubsub.ping()
        self._awaits_pong = True

    def read(self) -> list[Any]:
        """Give what has arrived: commands, or whatever JSON somebody has sent.

        Raises:
            redis.exceptions.RedisError: the connection is lost.
        """
        commands = []
        while (message := self._pubsub.get_message(timeout=0)) is not None:
            if message["type"] == "pong":
                self._awaits_pong = False
            elif message["type"] == "message":
                with contextlib.suppress(ValueError):
                    commands.append(json.loads(message["data"]))
        return commands

    def close(self) -> None:
        """Listen no more."""
        self._pubsub.close()
