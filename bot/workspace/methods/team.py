"""``api.*``, ``auth.*``, ``apps.*``, ``team.*`` and ``reactions.*``: the app and where it is installed."""

from collections.abc import Mapping
from dataclasses import replace

from bot.workspace.call import Call
from bot.workspace.errors import RefusedError
from bot.workspace.method import Method, TokenKind
from bot.workspace.records import Json


def api_test(call: Call) -> Json:
    """Answer what was sent, and fail on request."""
    arguments = {name: value for name, value in call.arguments.items() if name != "token"}
    if "error" in arguments:
        raise RefusedError(str(arguments["error"]))
    return {"args": arguments}


def auth_test(call: Call) -> Json:
    """Say whose token this is."""
    return {
        "url": call.site_url,
        "team": call.state.team.name,
        "user": call.state.users[call.app.bot_user_id].name,
        "team_id": call.state.team.id,
        "user_id": call.app.bot_user_id,
        "bot_id": call.app.bot_id,
        "is_enterprise_install": False,
    }


def open_connection(call: Call) -> Json:
    """Return a one-time address for Socket Mode."""
    return {"url": call.socket_url()}


def team_info(call: Call) -> Json:
    """Describe the workspace."""
    return {"team": call.state.team.to_json()}


def add_reaction(call: Call) -> Json:
    """Put an emoji under a message."""
    channel = call.channel()
    name = call.required("name", error="invalid_name").strip(":")
    message = call.state.message(channel.id, call.required("timestamp"), seen_by=call.app.bot_user_id)
    users = message.reactions.get(name, ())
    if call.app.bot_user_id in users:
        raise RefusedError("already_reacted")
    call.state.post(replace(message, reactions={**message.reactions, name: (*users, call.app.bot_user_id)}))
    return {}


METHODS: Mapping[str, Method] = {
    "api.test": Method(api_test, token=TokenKind.NONE),
    "auth.test": Method(auth_test),
    "apps.connections.open": Method(open_connection, token=TokenKind.APP),
    "team.info": Method(team_info, "team:read"),
    "reactions.add": Method(add_reaction, "reactions:write"),
}
