"""The control API: what the page, a headless demo and tests do in the place of people; and faults on demand."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from bot.workspace.changes import Changes
from bot.workspace.errors import RefusedError
from bot.workspace.faults import ANY_METHOD, Fault, FaultKind, Faults
from bot.workspace.panels import Panel, PanelButton
from bot.workspace.people import People
from bot.workspace.records import Json
from bot.workspace.shape import (
    Check,
    all_or_none_of,
    anything,
    boolean,
    choice,
    every,
    exactly_one_of,
    integer,
    mapping,
    nullable,
    record,
    string,
)
from bot.workspace.snapshot import shown_channel, snapshot
from bot.workspace.socket_mode import DISCONNECT_REASONS, SocketMode
from bot.workspace.state import State

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0


Action = Callable[[Json], Awaitable[Json]]

_NAME = string()
_OBJECT = mapping(anything)
_CLICK = every(
    record(
        {"user": _NAME},
        {
            "channel": _NAME,
            "ts": _NAME,
            "view_id": _NAME,
            "action_id": _NAME,
            "block_id": _NAME,
            "chosen": _OBJECT,
            "values": mapping(_OBJECT),
        },
    ),
    exactly_one_of("view_id", "ts"),
    exactly_one_of("view_id", "channel"),
)
_COMMAND = record({"user": _NAME, "channel": _NAME, "command": _NAME}, {"text": string(shortest=0)})
_MESSAGE = record({"user": _NAME, "channel": _NAME, "text": _NAME}, {"thread_ts": _NAME})
_SUBMIT = record({"user": _NAME, "view_id": _NAME}, {"values": mapping(_OBJECT)})
_CLOSE = record({"user": _NAME, "view_id": _NAME}, {"everything": boolean})
_SHORTCUT = every(
    record({"user": _NAME, "callback_id": _NAME}, {"channel": _NAME, "ts": _NAME}), all_or_none_of("channel", "ts")
)
_HOME = record({"user": _NAME})
_FAULT = record(
    {"kind": choice(*FaultKind)},
    {
        "method": _NAME,
        "times": nullable(integer(1)),
        "applied": boolean,
        "status": integer(400, 599),
        "error": _NAME,
        "retry_after": nullable(string(shortest=0)),
    },
)
_SOCKETS = record({"how": choice("abort", "refuse", *DISCONNECT_REASONS)}, {"count": integer(1)})
_ENVELOPES = record({}, {"swallow": integer(0), "duplicate": integer(0)})
_PANEL = record({"panel": _NAME, "button": _NAME})


class Control:
    """Serves ``/control/…``. Whoever reaches it acts as anybody, so the server only lets its own page reach it."""

    def __init__(
        self,
        *,
        state: State,
        people: People,
        faults: Faults,
        sockets: SocketMode,
        over_http: Callable[[], bool],
        changes: Changes,
        panels: Sequence[Panel],
    ) -> None:
        self._state = state
        self._people = people
        self._faults = faults
        self._sockets = sockets
        self._over_http = over_http
        self._changes = changes
        self._panels = panels
        self._pressed: set[asyncio.Task[str]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        actions: Mapping[str, tuple[Check, Action]] = {
            "click": (_CLICK, self._click),
            "command": (_COMMAND, self._command),
            "message": (_MESSAGE, self._message),
            "view_submit": (_SUBMIT, self._view_submit),
            "view_close": (_CLOSE, self._view_close),
            "shortcut": (_SHORTCUT, self._shortcut),
            "home": (_HOME, self._home),
            "faults": (_FAULT, self._script_fault),
            "faults/clear": (record(), self._clear_faults),
            "sockets": (_SOCKETS, self._disturb_sockets),
            "envelopes": (_ENVELOPES, self._disturb_envelopes),
            "panel": (_PANEL, self._press),
        }
        return [
            web.get("/control/state", self._show_state),
            web.get("/control/events", self._events),
            *(web.post(f"/control/{name}", _json_handler(check, action)) for name, (check, action) in actions.items()),
        ]

    async def _show_state(self, request: web.Request) -> web.Response:
        try:
            user = self._state.user(request.query.get("user", ""))
        except RefusedError as refused:
            return web.json_response({"ok": False, "error": refused.code}, status=404)
        shown = snapshot(
            self._state,
            user=user,
            channel=shown_channel(self._state, user, request.query.get("channel")),
            panels=self._panels,
            sockets=None if self._over_http() else self._sockets.open_sockets,
        )
        return web.json_response({"ok": True, "version": self._changes.version, **shown})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Stream the version of the state, once at first and then after every change."""
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await stream.prepare(request)
        version = self._changes.version
        try:
            await stream.write(f"data: {version}\n\n".encode())
            while not self._changes.closed:
                version = await self._changes.after(version, within=HEARTBEAT_SECONDS)
                await stream.write(f"data: {version}\n\n".encode())
        except ConnectionError:
            log.debug("a page went away")
        return stream

    async def _click(self, body: Json) -> Json:
        which = {key: body.get(key) for key in ("action_id", "block_id", "chosen", "values")}
        if "view_id" in body:
            outcome = await self._people.click_in_view(body["user"], body["view_id"], **which)
        else:
            outcome = await self._people.click(body["user"], body["channel"], body["ts"], **which)
        return outcome.to_json()

    async def _command(self, body: Json) -> Json:
        outcome = await self._people.command(body["user"], body["channel"], body["command"], body.get("text", ""))
        return outcome.to_json()

    async def _message(self, body: Json) -> Json:
        said = self._people.say(body["user"], body["channel"], body["text"], thread_ts=body.get("thread_ts"))
        return {"ts": said.ts}

    async def _view_submit(self, body: Json) -> Json:
        outcome = await self._people.submit(body["user"], body["view_id"], body.get("values"))
        return outcome.to_json()

    async def _view_close(self, body: Json) -> Json:
        everything = body.get("everything", False)
        outcome = await self._people.close(body["user"], body["view_id"], everything=everything)
        return outcome.to_json()

    async def _shortcut(self, body: Json) -> Json:
        outcome = await self._people.shortcut(
            body["user"], body["callback_id"], channel=body.get("channel"), ts=body.get("ts")
        )
        return outcome.to_json()

    async def _home(self, body: Json) -> Json:
        outcome = await self._people.open_home(body["user"])
        return outcome.to_json()

    async def _script_fault(self, body: Json) -> Json:
        given = {key: body[key] for key in ("applied", "status", "error", "retry_after") if key in body}
        fault = Fault(kind=FaultKind(body["kind"]), **given)
        self._faults.script(body.get("method", ANY_METHOD), fault, times=body.get("times", 1))
        return {}

    async def _clear_faults(self, body: Json) -> Json:  # noqa: ARG002 - every action takes a body
        self._faults.clear()
        return {}

    async def _disturb_sockets(self, body: Json) -> Json:
        match body["how"]:
            case "abort":
                return {"sockets": self._sockets.abort_all()}
            case "refuse":
                self._faults.refuse_sockets(body.get("count", 1))
                return {}
            case reason:
                return {"sockets": await self._sockets.disconnect_all(reason)}

    async def _disturb_envelopes(self, body: Json) -> Json:
        self._faults.swallow_envelopes(body.get("swallow", 0))
        self._faults.duplicate_envelopes(body.get("duplicate", 0))
        return {}

    async def _press(self, body: Json) -> Json:
        button = self._button(body["panel"], body["button"])
        pressed = asyncio.ensure_future(button.press())
        self._pressed.add(pressed)
        pressed.add_done_callback(self._pressed.discard)
        try:
            said = await asyncio.shield(pressed)
        except Exception:  # boundary: what a panel's button does is unknown here, and its failure is shown
            log.exception("the button %s failed", button.id)
            return {"said": f"{button.label} failed. The log says why.", "failed": True}
        return {"said": said, "failed": False}

    def _button(self, panel_id: str, button_id: str) -> PanelButton:
        for panel in self._panels:
            for button in panel.buttons:
                if (panel.id, button.id) == (panel_id, button_id):
                    return button
        raise RefusedError("button_not_found")


def _json_handler(check: Check, action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.text())
        except ValueError:
            return _refused("invalid_json", status=400)
        problems = list(check(body, ""))
        if problems:
            return _refused("invalid_arguments", problems, status=400)
        try:
            answer = await action(body)
        except RefusedError as refused:
            return _refused(refused.code, refused.messages, status=409)
        return web.json_response({"ok": True, **answer})

    return handle


def _refused(code: str, messages: Sequence[str] = (), *, status: int) -> web.Response:
    return web.json_response({"ok": False, "error": code, "messages": list(messages)}, status=status)
