"""Share links: an address that shows one job, until it expires, to whoever has it.

A token is `{job id}.{seconds of the epoch}.{signature}`. Nothing is kept for it, so none can be
called back alone: another TASK_API_SHARE_SECRET ends all of them.
"""

import hmac
import re
import secrets
import time
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import NamedTuple

import redis.asyncio
from redis.exceptions import RedisError

from app.errors import RedisUnavailable, ShareOver, UnknownShare
from app.queue import keys
from app.settings import Settings

_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,200})\.([0-9]{1,10})\.([A-Za-z0-9_-]{43})", re.ASCII)
_PURPOSE = b"task-api share 1\0"  # so that no other signature of the same secret passes for one


class Share(NamedTuple):
    """One share link: its token, what it shows, and until when."""

    token: str
    path: str  # on this service
    job_id: str
    expires_at: datetime


class Shares:
    """Makes tokens, and tells what they are for."""

    def __init__(self, client: redis.asyncio.Redis, settings: Settings) -> None:
        self._redis = client
        self._chosen = settings.share_secret
        self._root = settings.root_path

    async def make(self, job_id: str, seconds: int) -> Share:
        """Make a token that shows a job for so many seconds.

        Raises:
            RedisUnavailable.
        """
        expires = int(time.time()) + seconds
        claim = f"{job_id}.{expires}"
        token = f"{claim}.{_sign(await self._secret(), claim)}"
        return self._share(token, job_id, expires)

    async def open(self, token: str) -> Share:
        """Say what a token shows.

        Raises:
            UnknownShare: we have not signed it. ShareOver: it has expired. RedisUnavailable.
        """
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            raise UnknownShare
        job_id, expires, signature = parts.groups()
        right = _sign(await self._secret(), f"{job_id}.{expires}")
        if not hmac.compare_digest(signature, right):
            raise UnknownShare
        if int(expires) <= time.time():
            raise ShareOver
        return self._share(token, job_id, int(expires))

    def _share(self, token: str, job_id: str, expires: int) -> Share:
        path = f"{self._root}/shared/{token}"
        return Share(token, path, job_id, datetime.fromtimestamp(expires, UTC))

    async def _secret(self) -> bytes:
        """Give the secret of the settings, else the one in Redis, which the first to ask makes."""
        if self._chosen is not None:
            return self._chosen.get_secret_value().encode()
        try:
            found = await self._redis.get(keys.SHARE_SECRET)
            if found is None:
                await self._redis.set(keys.SHARE_SECRET, secrets.token_hex(32), nx=True)
                found = await self._redis.get(keys.SHARE_SECRET)
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error
        assert isinstance(found, bytes)
        return found


def _sign(secret: bytes, claim: str) -> str:
    digest = hmac.digest(secret, _PURPOSE + claim.encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
