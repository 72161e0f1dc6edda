"""What is told to a worker over Redis: RQ's stop-job, kill-horse and shutdown."""

import contextlib
import json
from typing import Any

import redis

from app.queue import keys
from app.queue.connection import fileno


class Commands:
    """Listens on the worker's own channel."""

    def __init__(self, connection: redis.Redis, worker: str) -> None:
        self._pubsub = connection.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(keys.worker_channel(worker))

    def fileno(self) -> int:
        """Give the socket to wait on, as `select` asks for it."""
        return fileno(self._pubsub.connection)

    def read(self) -> list[Any]:
        """Give what has arrived: commands, or whatever JSON somebody has sent.

        Raises:
            redis.exceptions.RedisError: the connection is lost.
        """
        commands = []
        while (message := self._pubsub.get_message(timeout=0)) is not None:
            if message["type"] == "message":
                with contextlib.suppress(ValueError):
                    commands.append(json.loads(message["data"]))
        return commands

    def close(self) -> None:
        """Listen no more."""
        self._pubsub.close()
