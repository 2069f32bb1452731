"""``conversations.*``: channels, direct messages and what was said in them."""

from collections.abc import Mapping

from bot.workspace.call import Call
from bot.workspace.errors import RefusedError
from bot.workspace.method import Method
from bot.workspace.pages import page
from bot.workspace.records import Channel, Json, Message

_FAMILY = {"channel": "channels", "group": "groups", "im": "im"}
_TYPES = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}


def history(call: Call) -> Json:
    """Return what was said in a channel, newest first; replies stay in their threads."""
    channel = _readable(call)
    seen = call.state.messages(channel.id, seen_by=call.app.bot_user_id)
    said = [message for message in seen if message.broadcast or not message.is_reply]
    messages, following = page(
        sorted(_within(call, said), key=_ts, reverse=True),
        key=_ts,
        cursor=call.text("cursor"),
        limit=call.whole("limit", default=100, most=999),
    )
    return {"messages": [_shown(call, message) for message in messages], "pin_count": 0, **_more(following)}


def replies(call: Call) -> Json:
    """Return a thread: the message that began it, then the replies, oldest first."""
    channel = _readable(call)
    try:
        first = call.state.message(channel.id, call.required("ts"), seen_by=call.app.bot_user_id)
    except RefusedError as unknown:
        raise RefusedError("thread_not_found") from unknown
    messages, following = page(
        [first, *_within(call, call.state.thread(first, seen_by=call.app.bot_user_id))],
        key=_ts,
        cursor=call.text("cursor"),
        limit=call.whole("limit", default=1000, most=1000),
    )
    return {"messages": [_shown(call, message) for message in messages], **_more(following)}


def info(call: Call) -> Json:
    """Return what is known about a conversation."""
    channel = call.channel()
    call.require_scope(f"{_FAMILY[channel.kind]}:read")
    return {"channel": channel.to_json(call.app.bot_user_id)}


def list_all(call: Call) -> Json:
    """Return the conversations that the app can see: all public ones and those it is in."""
    kinds = {_TYPES.get(name.strip(), "") for name in (call.text("types") or "public_channel").split(",")}
    if "" in kinds:
        raise RefusedError("invalid_types")
    for kind in kinds & _FAMILY.keys():
        call.require_scope(f"{_FAMILY[kind]}:read")
    visible = [channel for channel in call.state.channels.values() if channel.kind in kinds and _sees(call, channel)]
    if call.flag("exclude_archived"):
        visible = [channel for channel in visible if not channel.archived]
    channels, following = page(
        visible,
        key=lambda channel: channel.id,
        cursor=call.text("cursor"),
        limit=call.whole("limit", default=100, most=1000),
    )
    return {
        "channels": [channel.to_json(call.app.bot_user_id) for channel in channels],
        "response_metadata": {"next_cursor": following},
    }


def join(call: Call) -> Json:
    """Join a public channel."""
    channel = call.channel()
    if channel.kind != "channel":
        raise RefusedError("method_not_supported_for_channel_type")
    if channel.archived:
        raise RefusedError("is_archived")
    was_member = call.app.bot_user_id in channel.members
    answer: Json = {"channel": call.state.join(channel, call.app.bot_user_id).to_json(call.app.bot_user_id)}
    if was_member:
        answer |= {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    return answer


def members(call: Call) -> Json:
    """Return who is in a conversation."""
    channel = call.channel()
    call.require_scope(f"{_FAMILY[channel.kind]}:read")
    user_ids, following = page(
        sorted(channel.members),
        key=str,
        cursor=call.text("cursor"),
        limit=call.whole("limit", default=100, most=1000),
    )
    return {"members": user_ids, "response_metadata": {"next_cursor": following}}


def open_direct_message(call: Call) -> Json:
    """Open the direct message with one person; several at once are not offered here."""
    named = (call.text("users") or "").split(",")
    if len(named) != 1 or not named[0]:
        raise RefusedError("users_list_not_supplied" if not named[0] else "method_not_supported_for_channel_type")
    user = call.state.user(named[0].strip())
    if user.is_bot:
        raise RefusedError("cannot_dm_bot")
    if user.deleted:
        raise RefusedError("user_disabled")
    channel = call.state.direct_message(user)
    return {"channel": channel.to_json(call.app.bot_user_id) if call.flag("return_im") else {"id": channel.id}}


def _ts(message: Message) -> str:
    return message.ts


def _readable(call: Call) -> Channel:
    channel = call.channel()
    call.require_scope(f"{_FAMILY[channel.kind]}:history")
    call.require_member(channel)
    return channel


def _within(call: Call, messages: list[Message]) -> list[Message]:
    oldest, latest = call.text("oldest"), call.text("latest")
    inclusive = call.flag("inclusive")
    return [
        message
        for message in messages
        if (oldest is None or _seconds(message.ts) > _seconds(oldest) or (inclusive and message.ts == oldest))
        and (latest is None or _seconds(message.ts) < _seconds(latest) or (inclusive and message.ts == latest))
    ]


def _seconds(ts: str) -> float:
    try:
        return float(ts)
    except ValueError as unreadable:
        raise RefusedError("invalid_ts_latest") from unreadable


def _shown(call: Call, message: Message) -> Json:
    shown = message.to_json(with_metadata=call.flag("include_all_metadata"))
    return shown | call.state.thread_summary(message, seen_by=call.app.bot_user_id)


def _more(following: str) -> Json:
    return {"has_more": bool(following), "response_metadata": {"next_cursor": following}}


def _sees(call: Call, channel: Channel) -> bool:
    return channel.kind == "channel" or call.app.bot_user_id in channel.members


METHODS: Mapping[str, Method] = {
    "conversations.history": Method(history),
    "conversations.replies": Method(replies),
    "conversations.info": Method(info),
    "conversations.list": Method(list_all),
    "conversations.join": Method(join, "channels:join"),
    "conversations.members": Method(members),
    "conversations.open": Method(open_direct_message, "im:write"),
}
