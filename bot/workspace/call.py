"""One call of a Web API method: its arguments as Slack reads them, and the errors that stand for bad ones."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.workspace.app import App
from bot.workspace.errors import RefusedError
from bot.workspace.records import Channel
from bot.workspace.shape import say
from bot.workspace.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call and what it may look at. *site_url* is where the workspace is, with a slash at its end."""

    arguments: Mapping[str, Any]
    state: State
    site_url: str
    socket_url: Callable[[], str]

    @property
    def app(self) -> App:
        """The app that calls."""
        return self.state.app

    def text(self, name: str) -> str | None:
        """Return a string argument; an empty one counts as absent."""
        value = self.arguments.get(name)
        return None if value is None or value == "" else str(value)

    def required(self, name: str, *, error: str = "invalid_arguments") -> str:
        """Return a string argument or refuse with *error*."""
        value = self.text(name)
        if value is None:
            raise RefusedError(error, messages=[say(f"missing required field: {name}", f"/{name}")])
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean argument in any of the spellings that clients use."""
        value = self.text(name)
        return default if value is None else value.lower() in {"1", "true", "yes"}

    def whole(self, name: str, *, default: int, most: int) -> int:
        """Return a number between 1 and *most*, or refuse."""
        value = self.text(name)
        if value is None:
            return default
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise RefusedError("invalid_limit" if name == "limit" else "invalid_arguments")
        return int(value)

    def structure(self, name: str, *, error: str) -> Any:
        """Return an argument that is JSON, whether it came as a string in a form or as part of a JSON body."""
        value = self.arguments.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError as unreadable:
            raise RefusedError(error) from unreadable

    def require_scope(self, scope: str) -> None:
        """Refuse unless the app was granted *scope*."""
        if scope not in self.app.scopes:
            granted = ",".join(sorted(self.app.scopes))
            raise RefusedError("missing_scope", extra={"needed": scope, "provided": granted})

    def channel(self, name: str = "channel") -> Channel:
        """Return the conversation that an argument names; one that the app cannot see does not exist for it."""
        channel = self.state.channel(self.required(name, error="channel_not_found"))
        if channel.kind != "channel" and self.app.bot_user_id not in channel.members:
            raise RefusedError("channel_not_found")
        return channel

    def require_member(self, channel: Channel) -> None:
        """Refuse unless the app is in *channel*."""
        if self.app.bot_user_id not in channel.members:
            raise RefusedError("not_in_channel")
