"""Who may talk to the server: this machine, under the server's own name; and of web pages only its own."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

_OWN_PAGE = {"same-origin", "none"}


def own_page_only(hosts: Callable[[], frozenset[str]]) -> Middleware:
    """Return a middleware that refuses foreign names (DNS rebinding) and, for ``/control/``, foreign pages (CSRF).

    *hosts* gives the ``HOST:PORT`` under which the server is reached.
    """

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        allowed = hosts()
        if request.headers.get("Host") not in allowed:
            raise web.HTTPForbidden(text="This workspace answers under its own address only.")
        if request.path.startswith("/control/") and not _from_own_page(request, allowed):
            raise web.HTTPForbidden(text="Only the workspace's own page may do this.")
        return await handler(request)

    return check


def _from_own_page(request: web.Request, allowed: frozenset[str]) -> bool:
    origin = request.headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}" for host in allowed}:
        return False
    if request.headers.get("Sec-Fetch-Site", "none") not in _OWN_PAGE:
        return False
    return request.method != "POST" or request.content_type == "application/json"
