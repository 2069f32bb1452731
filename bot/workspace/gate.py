"""Who may talk to the server: programs of this machine, under the server's own name; and of web pages only its own."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware


def own_page_only(hosts: Callable[[], frozenset[str]]) -> Middleware:
    """Return a middleware that refuses foreign names (DNS rebinding) and foreign pages (CSRF).

    A link from elsewhere may lead to the page. *hosts* gives the ``HOST:PORT`` under which the server is reached.
    """

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        allowed = hosts()
        if request.headers.get("Host") not in allowed:
            raise web.HTTPForbidden(text="This workspace answers under its own address only.")
        if not _is_page(request.path) and _from_another_page(request, allowed):
            raise web.HTTPForbidden(text="Only the workspace's own page may do this.")
        if _acts_for_people(request) and request.content_type != "application/json":
            raise web.HTTPForbidden(text="The control API takes application/json only.")
        return await handler(request)

    return check


def _is_page(path: str) -> bool:
    return path == "/" or path.startswith("/archives/")


def _acts_for_people(request: web.Request) -> bool:
    return request.path.startswith("/control/") and request.method == "POST"


def _from_another_page(request: web.Request, allowed: frozenset[str]) -> bool:
    """Whether a browser says so; programs send neither header."""
    origin = request.headers.get("Origin")
    foreign_origin = origin is not None and origin not in {f"http://{host}" for host in allowed}
    return foreign_origin or request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}
