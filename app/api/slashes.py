"""An address with a slash too many at its end, or one too few: moved to the right one, by its path.

Starlette's own redirect names the scheme and the host as it sees them, and behind a proxy these may
be the proxy's alone.
"""

from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Match, Router
from starlette.types import Receive, Scope, Send


class Slashes:
    """What a router answers with where no route matches: a redirect, or what it answered with."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._otherwise = router.default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that no route matches."""
        answer = self._moved(scope) if scope["type"] == "http" else None
        await (answer or self._otherwise)(scope, receive, send)

    def _moved(self, scope: Scope) -> RedirectResponse | None:
        path: str = scope["path"]
        path = path.rstrip("/") if path.endswith("/") else f"{path}/"
        asked = {**scope, "path": path}
        if all(route.matches(asked)[0] is Match.NONE for route in self._router.routes):
            return None
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(quote(path) + (f"?{query}" if query else ""))
