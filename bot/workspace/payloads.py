"""What Slack sends to an app when a person does something; pure functions from records to payloads."""

from typing import Any

from bot.workspace.app import App, Shortcut
from bot.workspace.records import Channel, Json, Message, Team, User, View

VERIFICATION_TOKEN = "local-verification"  # noqa: S105 - the deprecated field every payload carries; it guards nothing


def envelope_fields(*, team: Team, app: App, user: User) -> Json:
    """Return what all interaction payloads share."""
    return {
        "user": user.as_actor(team),
        "team": {"id": team.id, "domain": team.domain},
        "api_app_id": app.id,
        "token": VERIFICATION_TOKEN,
        "enterprise": None,
        "is_enterprise_install": False,
    }


def message_click(shared: Json, *, channel: Channel, message: Message, action: Json, values: Json) -> Json:
    """Return ``block_actions`` for an element of a message; an ephemeral message itself is not sent along."""
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.visible_to is not None,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    payload = shared | {
        "type": "block_actions",
        "container": container,
        "channel": {"id": channel.id, "name": _channel_name(channel)},
        "state": {"values": values},
        "actions": [action],
    }
    if message.visible_to is None:
        payload["message"] = message.to_json(with_metadata=True)
    return payload


def view_click(shared: Json, *, view: View, action: Json) -> Json:
    """Return ``block_actions`` for an element of a modal or an App Home."""
    return shared | {
        "type": "block_actions",
        "container": {"type": "view", "view_id": view.id},
        "view": view.to_json(),
        "actions": [action],
    }


def action_of(block_id: str, element: Json, *, at: str, chosen: Json | None = None) -> Json:
    """Return the entry of ``actions`` for *element*; *chosen* holds what a select or picker was set to."""
    kept = ("action_id", "type", "text", "value", "style", "url", "placeholder", "confirm")
    action: Json = {key: element[key] for key in kept if key in element}
    return action | {"block_id": block_id, "action_ts": at} | (chosen or {})


def view_submission(shared: Json, *, view: View) -> Json:
    """Return ``view_submission`` for a modal whose values were entered before."""
    return shared | {"type": "view_submission", "view": view.to_json(), "response_urls": []}


def view_closed(shared: Json, *, view: View, is_cleared: bool) -> Json:
    """Return ``view_closed``; with it comes no trigger: nothing can be opened by closing."""
    return shared | {"type": "view_closed", "view": view.to_json(), "is_cleared": is_cleared}


def message_shortcut(shared: Json, *, shortcut: Shortcut, channel: Channel, message: Json, at: str) -> Json:
    """Return ``message_action``: a shortcut from the menu of *message*."""
    return _of_no_app(shared) | {
        "type": "message_action",
        "callback_id": shortcut.callback_id,
        "action_ts": at,
        "message_ts": message["ts"],
        "channel": {"id": channel.id, "name": _channel_name(channel)},
        "message": message,
    }


def global_shortcut(shared: Json, *, shortcut: Shortcut, at: str) -> Json:
    """Return ``shortcut``: one that belongs to no message."""
    return _of_no_app(shared) | {"type": "shortcut", "callback_id": shortcut.callback_id, "action_ts": at}


def _of_no_app(shared: Json) -> Json:
    # In every recording of a shortcut the app's id is missing, whatever other interactions carry.
    return {key: value for key, value in shared.items() if key != "api_app_id"}


def slash_command(*, team: Team, app: App, user: User, channel: Channel, command: str, text: str, **ids: str) -> Json:
    """Return a slash command; *ids* are ``trigger_id`` and ``response_url``."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": team.id,
        "team_domain": team.domain,
        "channel_id": channel.id,
        "channel_name": _channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": app.id,
        "is_enterprise_install": "false",
        **ids,
    }


def event_callback(*, team: Team, app: App, event: Json, event_id: str, at: float) -> Json:
    """Wrap an event of the Events API."""
    authorization: dict[str, Any] = {
        "enterprise_id": None,
        "team_id": team.id,
        "user_id": app.bot_user_id,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    return {
        "type": "event_callback",
        "token": VERIFICATION_TOKEN,
        "team_id": team.id,
        "api_app_id": app.id,
        "event": event,
        "event_id": event_id,
        "event_time": int(at),
        "authorizations": [authorization],
        "is_ext_shared_channel": False,
    }


def _channel_name(channel: Channel) -> str:
    return {"im": "directmessage", "group": "privategroup"}.get(channel.kind, channel.name)
