"""A connection to Redis of one's own, on which scripts are run and run again until it answers."""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import hiredis
from redis.connection import Connection
from redis.exceptions import NoScriptError, RedisError, ResponseError

from app.errors import BrokenScript
from app.queue.scripts import script

AGAIN = 0.2  # seconds between tries while Redis is away

MOST_TRIES = 5  # of a script that fails by itself: what it meets may be another thing by then

# How Redis' refusals begin that pass, in a script or out of it.
_PASSING = ("LOADING", "BUSY", "OOM", "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN")

logger = logging.getLogger("task_api.worker")

Answer = Any
Arguments = Sequence[Any]  # of EVALSHA, from the number of keys on


class Patient(Protocol):
    """Says whether to wait for Redis any longer."""

    def __call__(self, *, with_result: bool) -> bool:
        """Say so, `with_result` where there is one to be recorded."""


class Hotline:
    """Runs scripts that do no harm when they are run twice, for only an answer may be lost.

    All raise `redis.exceptions.RedisError` where Redis is away, and `patient` says not to wait; and
    `BrokenScript` where it is there, and the script fails on what it holds.
    """

    def __init__(self, connect: Callable[[], Connection], patient: Patient) -> None:
        self._connect = connect
        self._patient = patient
        self._connection: Connection | None = None
        self._sent: tuple[str, Arguments] | None = None
        self._early: Answer | None = None
        self._shas: dict[str, str] = {}

    def run(self, name: str, arguments: Arguments, *, with_result: bool) -> Answer:
        """Run a script, and wait for its answer, and for Redis where that is away."""
        told = False
        tries = 0
        while True:
            try:
                return self._run(name, arguments)
            except RedisError as error:
                self._disconnect()
                tries += _is_its_own(error)
                if tries == MOST_TRIES:
                    raise BrokenScript(name=name, reason=error) from error
                if not self._patient(with_result=with_result):
                    raise
                if not told:
                    logger.warning("horse.waiting_for_redis error=%s", error)
                told = True
                time.sleep(AGAIN)

    def send(self, name: str, arguments: Arguments) -> bool:
        """Let Redis run a script, and leave the answer to `read`.

        Where Redis is away it waits for the answer here and now, and says so.
        """
        self._sent = name, arguments
        try:
            self._send("EVALSHA", self._sha(name), *arguments)
        except RedisError:
            self._disconnect()
            self._early = self.run(name, arguments, with_result=True)
            return True
        return False

    def read(self) -> Answer:
        """Give the answer to what was sent; where that was lost, run the script again."""
        assert self._sent is not None
        (name, arguments), self._sent = self._sent, None
        answer, self._early = self._early, None
        if answer is None:
            try:
                answer = self._read()
            except NoScriptError:  # nothing was run
                answer = self.run(name, arguments, with_result=True)
            except RedisError:
                self._disconnect()
                answer = self.run(name, arguments, with_result=True)
        return answer

    def _run(self, name: str, arguments: Arguments) -> Answer:
        try:
            self._send("EVALSHA", self._sha(name), *arguments)
            return self._read()
        except NoScriptError:  # at first; or Redis was restarted, or told to forget its scripts
            self._send("SCRIPT", "LOAD", script(name))
            self._read()
            self._send("EVALSHA", self._sha(name), *arguments)
            return self._read()

    def _sha(self, name: str) -> str:
        if name not in self._shas:
            text = script(name).encode()
            self._shas[name] = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        return self._shas[name]

    def _send(self, *command: Any) -> None:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.send_packed_command([hiredis.pack_command(command)])

    def _read(self) -> Answer:
        assert self._connection is not None
        return self._connection.read_response()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None


def _is_its_own(error: RedisError) -> bool:
    """Say whether a script has failed by what it does, and not because Redis is away."""
    text = str(error)
    return (
        isinstance(error, ResponseError)
        and "user_script" in text
        and not any(word in text for word in _PASSING)
    )
