"""The Web API: reads a call in any of the encodings that clients use, checks its token, runs it, and spells errors."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, assert_never

from aiohttp import web

from bot.workspace.call import Call
from bot.workspace.errors import RefusedError
from bot.workspace.faults import Fault, FaultKind, Faults
from bot.workspace.method import Method, TokenKind
from bot.workspace.methods import chat, conversations, files, people, team, views
from bot.workspace.records import Json
from bot.workspace.state import State

METHODS: Mapping[str, Method] = {
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **people.METHODS,
    **team.METHODS,
    **views.METHODS,
}

CALLS_REMEMBERED = 10_000


class WebApi:
    """Serves ``/api/METHOD``. *tokens* maps each valid token to its kind."""

    def __init__(
        self,
        *,
        state: State,
        faults: Faults,
        tokens: Mapping[str, TokenKind],
        site_url: Callable[[], str],
        socket_url: Callable[[], str],
    ) -> None:
        self._state = state
        self._faults = faults
        self._tokens = tokens
        self._site_url = site_url
        self._socket_url = socket_url
        self.calls: deque[tuple[str, Json]] = deque(maxlen=CALLS_REMEMBERED)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call, or let it go wrong as scripted."""
        name = request.match_info["method"]
        arguments = await _arguments(request)
        self.calls.append((name, {key: value for key, value in arguments.items() if key != "token"}))
        fault = self._faults.take(name)
        if fault is None or fault.applied:
            answer = self._answer(name, request, arguments)
            if fault is None:
                return web.json_response(answer)
        return await self._fail(fault, request)

    def _answer(self, name: str, request: web.Request, arguments: Json) -> Json:
        try:
            method = _method(name)
            self._require_token(method, request, arguments)
            call = Call(arguments=arguments, state=self._state, site_url=self._site_url(), socket_url=self._socket_url)
            if method.scope is not None:
                call.require_scope(method.scope)
            return {"ok": True, **method.run(call)}
        except RefusedError as refused:
            return _refusal(refused)

    def _require_token(self, method: Method, request: web.Request, arguments: Mapping[str, Any]) -> None:
        if method.token is TokenKind.NONE:
            return
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        token = bearer if scheme.lower() == "bearer" else str(arguments.get("token", ""))
        if not token:
            raise RefusedError("not_authed")
        if token not in self._tokens:
            raise RefusedError("invalid_auth")
        if self._tokens[token] is not method.token:
            raise RefusedError("not_allowed_token_type")

    async def _fail(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        match fault.kind:
            case FaultKind.RATE_LIMITED:
                headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
                return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
            case FaultKind.STATUS:
                return web.Response(status=fault.status, text="<html>upstream error</html>", content_type="text/html")
            case FaultKind.ERROR:
                return web.json_response({"ok": False, "error": fault.error})
            case FaultKind.GARBAGE:
                return web.Response(text="<html>hello</html>", content_type="text/html")
            case FaultKind.HANG:
                await self._faults.hang()
            case FaultKind.RESET:
                pass
            case _:
                assert_never(fault.kind)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


def _method(name: str) -> Method:
    if name not in METHODS:
        raise RefusedError("unknown_method")
    return METHODS[name]


def _refusal(refused: RefusedError) -> Json:
    answer: Json = {"ok": False, "error": refused.code, **refused.extra}
    if refused.messages:
        answer["errors"] = list(refused.messages)
        answer["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in refused.messages]}
    return answer


async def _arguments(request: web.Request) -> Json:
    """Return the arguments from query string and body; the body wins."""
    arguments: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.text() or "{}")
        except ValueError:
            body = None
        return arguments | body if isinstance(body, dict) else arguments
    form = await request.post()
    return arguments | {name: value for name, value in form.items() if isinstance(value, str)}
