"""The one app that is installed in the workspace: what it is called and what it may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_SCOPES = frozenset(
    {
        "channels:history",
        "channels:join",
        "channels:read",
        "chat:write",
        "commands",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "reactions:write",
        "team:read",
        "usergroups:read",
        "users:read",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A slash command; *name* begins with the slash."""

    name: str
    description: str = ""
    usage_hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """An entry of a message's menu (kind ``message``) or of the composer's (kind ``global``)."""

    name: str
    callback_id: str
    kind: str = "message"
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An installed app. Without *commands* every slash command is delivered, otherwise only those listed."""

    id: str = "A0LOCAL"
    name: str = "Operator"
    bot_id: str = "B0LOCAL"
    bot_user_id: str = "U0BOT"
    scopes: frozenset[str] = DEFAULT_SCOPES
    commands: tuple[Command, ...] = ()
    shortcuts: tuple[Shortcut, ...] = ()
    events: frozenset[str] = frozenset({"app_home_opened"})
    home_tab: bool = True


def app_from_manifest(manifest: Mapping[str, Any]) -> App:
    """Return the app that a parsed Slack app manifest describes, with exactly the scopes and events it asks for."""
    features: Mapping[str, Any] = manifest.get("features", {})
    settings: Mapping[str, Any] = manifest.get("settings", {})
    scopes = manifest.get("oauth_config", {}).get("scopes", {}).get("bot", ())
    return App(
        name=manifest["display_information"]["name"],
        scopes=frozenset(scopes),
        commands=tuple(_command(command) for command in features.get("slash_commands", ())),
        shortcuts=tuple(_shortcut(shortcut) for shortcut in features.get("shortcuts", ())),
        events=frozenset(settings.get("event_subscriptions", {}).get("bot_events", ())),
        home_tab=bool(features.get("app_home", {}).get("home_tab_enabled", False)),
    )


def _command(command: Mapping[str, Any]) -> Command:
    return Command(
        name=command["command"],
        description=command.get("description", ""),
        usage_hint=command.get("usage_hint", ""),
    )


def _shortcut(shortcut: Mapping[str, Any]) -> Shortcut:
    return Shortcut(
        name=shortcut["name"],
        callback_id=shortcut["callback_id"],
        kind=shortcut["type"],
        description=shortcut.get("description", ""),
    )
