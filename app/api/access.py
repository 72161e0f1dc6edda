"""Who may ask at all: an open service answers this machine alone, and no page of another site."""

from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from app.addresses import is_loopback
from app.errors import CrossSiteRequest, NotOnLoopback, TaskApiError
from app.settings import Settings

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PAGES = frozenset({b"same-origin", b"none"})


class AccessMiddleware:
    """Refuses what comes from beyond this machine while the API is open, and from other sites."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._loopback_only = not settings.allow_anonymous

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        error = self._refusal(scope) if scope["type"] == "http" else None
        if error is not None:
            raise error
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> TaskApiError | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self._loopback_only and not (_reached_on_loopback(scope) and _names_loopback(host)):
            return NotOnLoopback(host=host or "an unnamed host")
        if scope["method"] not in _SAFE and _is_cross_site(headers, host):
            return CrossSiteRequest()
        return None


def _reached_on_loopback(scope: Scope) -> bool:
    # The local end of the connection. A Unix socket has no port, and is this machine's.
    server = scope.get("server")
    return server is None or server[1] is None or is_loopback(server[0])


@lru_cache(maxsize=1024)
def _names_loopback(host: str) -> bool:
    # A page that had its own name point to 127.0.0.1 (DNS rebinding) shows in the Host header.
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _is_cross_site(headers: dict[bytes, bytes], host: str) -> bool:
    """Judge as OWASP's cheat sheet on request forgery does: Fetch Metadata first, then Origin."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in _OWN_PAGES
    origin = headers.get(b"origin")
    return origin is not None and _netloc(origin.decode("latin-1")) != host


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None  # no address, so not ours
