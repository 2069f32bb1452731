"""``users.*`` and ``usergroups.*``: who is in the team."""

from collections.abc import Mapping

from bot.workspace.call import Call
from bot.workspace.errors import RefusedError
from bot.workspace.method import Method
from bot.workspace.pages import page
from bot.workspace.records import Json


def user_info(call: Call) -> Json:
    """Return one user by id; a name is no id."""
    user_id = call.required("user", error="user_not_found")
    if user_id not in call.state.users:
        raise RefusedError("user_not_found")
    return {"user": call.state.users[user_id].to_json()}


def user_list(call: Call) -> Json:
    """Return everybody, deactivated users included."""
    users, following = page(
        list(call.state.users.values()),
        key=lambda user: user.id,
        cursor=call.text("cursor"),
        limit=call.whole("limit", default=1000, most=1000),
    )
    return {
        "members": [user.to_json() for user in users],
        "cache_ts": int(call.state.now()),
        "response_metadata": {"next_cursor": following},
    }


def group_list(call: Call) -> Json:
    """Return the user groups."""
    groups = [
        group.to_json(call.state.team, with_users=call.flag("include_users"))
        for group in call.state.groups.values()
        if call.flag("include_disabled") or not group.disabled
    ]
    return {"usergroups": groups}


def group_users(call: Call) -> Json:
    """Return the ids of the users in a group."""
    group = call.state.groups.get(call.required("usergroup", error="no_such_subteam"))
    if group is None or (group.disabled and not call.flag("include_disabled")):
        raise RefusedError("no_such_subteam")
    return {"users": list(group.user_ids)}


METHODS: Mapping[str, Method] = {
    "users.info": Method(user_info, "users:read"),
    "users.list": Method(user_list, "users:read"),
    "usergroups.list": Method(group_list, "usergroups:read"),
    "usergroups.users.list": Method(group_users, "usergroups:read"),
}
