"""The path that a proxy shows the service under, `TASK_API_ROOT_PATH`: it is before every link.

A proxy may cut it off, or pass it on: within this layer each request's path begins with it, as ASGI
wants it. It is a setting, and not the server's word, for workers and scripts write links as well.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import WrongRootPath


class RootPathMiddleware:
    """Puts the root path before the path of each request that a proxy has cut it off of."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it where the server says another root path."""
        if scope["type"] == "http":
            self._place(scope)
        await self._app(scope, receive, send)

    def _place(self, scope: Scope) -> None:
        said = scope.get("root_path", "")
        if said and said != self._root:
            raise WrongRootPath(said=said, known=self._root)
        if not self._root:
            return
        scope["root_path"] = scope["app_root_path"] = self._root
        path = scope["path"]
        if path == self._root:
            scope["path"] = f"{path}/"
        elif not path.startswith(f"{self._root}/"):
            scope["path"] = self._root + path


def root_of(scope: Scope) -> str:
    """Give the root path of a request; its `root_path` has within a mounted app the mount, too."""
    return str(scope.get("app_root_path", ""))
