"""The page, uploaded files, and the addresses outside the Web API: response URLs and uploads."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources

from aiohttp import web

from bot.workspace.answers import answer_response_url
from bot.workspace.errors import RefusedError
from bot.workspace.methods.files import MOST_BYTES
from bot.workspace.state import State

_TYPES: Mapping[str, str] = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Site:
    """Serves everything that is neither the Web API nor the control API."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._contents: dict[str, str] = {}

    async def load(self) -> None:
        """Read the page's files into memory."""
        self._contents = await asyncio.to_thread(_read_all)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/", self._page),
            web.get("/archives/{channel}/{message}", self._page),
            web.get("/static/{name}", self._static),
            web.get("/files/{file_id}", self._download),
            web.post("/upload/{file_id}", self._upload),
            web.post("/response/{team}/{app}/{secret}", self._response_url),
        ]

    async def _page(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the signature of a handler
        return self._content("index.html")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._contents:
            raise web.HTTPNotFound
        return self._content(name)

    def _content(self, name: str) -> web.Response:
        return web.Response(text=self._contents[name], content_type=_TYPES[name.rpartition(".")[2]], headers=_HEADERS)

    async def _download(self, request: web.Request) -> web.Response:
        try:
            file = self._state.file(request.match_info["file_id"])
        except RefusedError as refused:
            raise web.HTTPNotFound from refused
        headers = _HEADERS | {"Content-Disposition": "attachment"}
        return web.Response(body=file.content or b"", content_type="application/octet-stream", headers=headers)

    async def _upload(self, request: web.Request) -> web.Response:
        try:
            file = self._state.file(request.match_info["file_id"])
        except RefusedError as refused:
            raise web.HTTPNotFound from refused
        content = await _uploaded(request)
        if file.content is not None or len(content) > MOST_BYTES:
            raise web.HTTPBadRequest
        self._state.put_file(replace(file, content=content))
        return web.Response(text=f"OK - {len(content)}")

    async def _response_url(self, request: web.Request) -> web.Response:
        try:
            target = self._state.response_urls.use(request.match_info["secret"])
        except RefusedError as refused:
            return web.json_response({"ok": False, "error": refused.code}, status=404)
        try:
            answer_response_url(self._state, target, json.loads(await request.text()))
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
        except RefusedError as refused:
            return web.json_response(
                {"ok": False, "error": refused.code, "messages": list(refused.messages)}, status=400
            )
        return web.Response(text="ok")


async def _uploaded(request: web.Request) -> bytes:
    if request.content_type != "multipart/form-data":
        return await request.read()
    for field in (await request.post()).values():
        if isinstance(field, web.FileField):
            return await asyncio.to_thread(field.file.read)
    return b""


def _read_all() -> dict[str, str]:
    static = resources.files("bot.workspace") / "static"
    found = [file for file in static.iterdir() if file.name.rpartition(".")[2] in _TYPES]
    return {file.name: file.read_text(encoding="utf-8") for file in found}
