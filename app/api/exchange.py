"""One request and its answer: it gets an id, is watched to its end, and leaves one record.

The outermost layer, for it has to see every answer: also Starlette's own for what nobody caught.
"""

import asyncio
import itertools
import logging
import os
import re
import time

from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.activity import ActivityLog, Record
from app.api.one_write import send_together
from app.api.problems import problem_response
from app.errors import InternalError, TaskApiError
from app.logs import without_tokens

CLIENT_LEFT = 499  # the status that nginx logs for a client that closed its connection
SUSPICIOUSLY_SLOW = 0.02  # seconds from which on it is asked whether the client is still there

_PREFIX = os.urandom(10).hex()  # of this process's request ids
_numbers = itertools.count(1)
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_MAY_BE_KEPT = frozenset({b"cache-control", b"etag", b"last-modified"})
_NOT_KEPT = (b"cache-control", b"no-store")

logger = logging.getLogger("task_api.api")


class ExchangeMiddleware:
    """Sees each exchange through; a BackgroundTask records it once its answer is out."""

    def __init__(self, app: ASGIApp, log: ActivityLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer for what fails, and record how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        if method == "HEAD":
            # RFC 9110 wants it wherever GET is. The server has its own scope, and sends no body.
            scope = {**scope, "method": "GET", "is_head": True}
        exchange = _Exchange(method, scope, receive, send)
        try:
            await self._app(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = CLIENT_LEFT
        except TaskApiError as error:
            await problem_response(error, scope)(scope, receive, exchange.send)
        except Exception:
            logger.exception("request.failed request_id=%s", scope["state"]["request_id"])
            if exchange.is_unsent:
                await problem_response(InternalError(), scope)(scope, receive, exchange.send)
            elif not exchange.complete:
                raise  # too late for another answer: the server breaks the connection
        finally:
            await BackgroundTask(self._log.add, exchange.record())()


class _Exchange:
    """What is known of one request and its answer."""

    __slots__ = (
        "_begun", "_bytes", "_head", "_method", "_receive", "_scope", "_send",
        "complete", "request_id", "status",
    )  # fmt: skip

    def __init__(self, method: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._method = method
        self._scope = scope
        self._receive = receive
        self._send = send
        self._begun = time.time()
        self._bytes = 0
        self._head: Message | None = None
        self.status: int | None = None
        self.complete = False
        given = dict(scope["headers"]).get(b"x-request-id")
        if given and _SANE.fullmatch(given):
            self.request_id = given.decode()
        else:
            self.request_id = _PREFIX + f"{next(_numbers):012x}"
        scope.setdefault("state", {})["request_id"] = self.request_id

    @property
    def is_unsent(self) -> bool:
        """Whether another answer may still take this one's place."""
        return self.status is None or self._head is not None

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on; the head goes with the first part of the body."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self.request_id.encode())]
            if self._scope["method"] == "GET" and _MAY_BE_KEPT.isdisjoint(dict(headers)):
                # No file, but how things stand. A cache may keep a 200, a 404 or a 410 of which it
                # is told nothing (RFC 9111, section 4.2.2), and some do for minutes.
                headers.append(_NOT_KEPT)
            message["headers"] = headers
            if b"content-length" in dict(headers):
                self._head = message
                return  # a stream says no length, and whoever asked waits for its head
        elif message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
            if not message.get("more_body"):
                self.complete = True
                # A quick answer is not worth the question.
                if time.time() - self._begun > SUSPICIOUSLY_SLOW and await self._client_left():
                    self.status = CLIENT_LEFT
        if self._head is None:
            await self._send(message)
        else:
            head, self._head = self._head, None
            await send_together(self._send, head, message)

    def record(self) -> Record:
        """Give what the activity log keeps of it."""
        scope = self._scope
        client = scope.get("client")
        state = scope["state"]
        return Record(
            self._begun,
            self.request_id,
            self._method,
            getattr(scope.get("route"), "path", None),
            without_tokens(scope["path"]),
            CLIENT_LEFT if self.status is None else self.status,
            time.time() - self._begun,
            self._bytes,
            client[0] if client else None,
            state.get("job_id") or scope.get("path_params", {}).get("job_id"),
        )

    async def _client_left(self) -> bool:
        # A server drops what is sent to a client that has left, and tells `receive` alone, which
        # waits as long as the client is there.
        asked = asyncio.ensure_future(self._receive())
        await asyncio.sleep(0)
        if not asked.done():
            asked.cancel()
            return False
        return bool(asked.result()["type"] == "http.disconnect")
