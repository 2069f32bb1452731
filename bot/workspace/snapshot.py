"""What the page shows one person: a pure function of the state."""

from collections.abc import Sequence

from bot.workspace.errors import RefusedError
from bot.workspace.panels import Panel
from bot.workspace.records import Channel, Json, Message, User
from bot.workspace.state import State

MOST_MESSAGES = 300


def snapshot(
    state: State, *, user: User, channel: Channel | None, panels: Sequence[Panel], sockets: int | None
) -> Json:
    """Return everything on *user*'s screen while he looks at *channel*; *sockets* is None when HTTP delivers."""
    home = state.views.home(user.id)
    return {
        "now": state.now(),
        "team": state.team.to_json(),
        "app": _app(state),
        "sockets": sockets,
        "me": user.id,
        "users": [person.to_json() for person in state.users.values()],
        "groups": [group.to_json(state.team, with_users=False) for group in state.groups.values()],
        "channels": [_channel(state, place, user) for place in state.channels.values() if _visible(place, user)],
        "channel": channel.id if channel else None,
        "messages": _messages(state, channel, user) if channel else [],
        "failures": [failure.to_json() for failure in state.failures if failure.user_id == user.id],
        "modals": [view.to_json() for view in state.views.stack(user.id)],
        "home": home.to_json() if home else None,
        "panels": [panel.to_json() for panel in panels],
    }


def shown_channel(state: State, user: User, name: str | None) -> Channel | None:
    """Return the channel *name* if *user* is in it, else the first one that he is in."""
    mine = [place for place in state.channels.values() if user.id in place.members]
    if name is not None:
        try:
            place = state.channel(name)
        except RefusedError:
            place = None
        if place in mine:
            return place
    return mine[0] if mine else None


def _app(state: State) -> Json:
    app = state.app
    return {
        "id": app.id,
        "name": app.name,
        "bot_user_id": app.bot_user_id,
        "home_tab": app.home_tab,
        "commands": [
            {"name": command.name, "description": command.description, "usage_hint": command.usage_hint}
            for command in app.commands
        ],
        "shortcuts": [
            {
                "name": shortcut.name,
                "callback_id": shortcut.callback_id,
                "kind": shortcut.kind,
                "description": shortcut.description,
            }
            for shortcut in app.shortcuts
        ],
    }


def _visible(channel: Channel, user: User) -> bool:
    return channel.kind == "channel" or user.id in channel.members


def _channel(state: State, channel: Channel, user: User) -> Json:
    seen = [message.ts for message in state.messages(channel.id, seen_by=user.id)]
    return channel.to_json(user.id) | {
        "name": channel.name,
        "label": _label(state, channel, user),
        "is_member": user.id in channel.members,
        "has_app": state.app.bot_user_id in channel.members,
        "latest": seen[-1] if seen else None,
    }


def _label(state: State, channel: Channel, user: User) -> str:
    if channel.kind != "im":
        return channel.name
    other = next(iter(channel.members - {user.id}))
    return state.users[other].real_name


def _messages(state: State, channel: Channel, user: User) -> list[Json]:
    seen = list(state.messages(channel.id, seen_by=user.id))[-MOST_MESSAGES:]
    return [_message(message) for message in seen]


def _message(message: Message) -> Json:
    return message.to_json() | {"is_ephemeral": message.visible_to is not None}
