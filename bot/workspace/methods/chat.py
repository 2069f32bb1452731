"""``chat.*``: what the app says."""

from collections.abc import Mapping
from dataclasses import replace

from bot.workspace.call import Call
from bot.workspace.errors import RefusedError
from bot.workspace.method import Method
from bot.workspace.posting import message_fields
from bot.workspace.records import Channel, Json, Message
from bot.workspace.validator import UPDATE_TEXT


def post_message(call: Call) -> Json:
    """Post to a channel that the app is in, or to a public one with ``chat:write.public``, or to a person."""
    channel = _destination(call)
    if channel.archived:
        raise RefusedError("is_archived")
    if channel.kind != "channel" or "chat:write.public" not in call.app.scopes:
        call.require_member(channel)
    content = _content(call)
    message = call.state.app_message(
        channel.id,
        metadata=content.get("metadata") or None,
        thread_ts=_thread(call, channel),
        broadcast=call.flag("reply_broadcast"),
        **message_fields(content),
    )
    return {"channel": channel.id, "ts": message.ts, "message": message.to_json(with_metadata=True)}


def post_ephemeral(call: Call) -> Json:
    """Show a message to one member of the channel only."""
    channel = call.channel()
    call.require_member(channel)
    if channel.archived:
        raise RefusedError("is_archived")
    user = call.state.user(call.required("user", error="user_not_found"))
    if user.id not in channel.members:
        raise RefusedError("user_not_in_channel")
    message = call.state.app_message(
        channel.id, visible_to=user.id, thread_ts=_thread(call, channel), **message_fields(_content(call))
    )
    return {"message_ts": message.ts}


def update(call: Call) -> Json:
    """Replace text and blocks of an own message; blocks that are not sent again are gone, metadata stays."""
    message = _own_message(call, refused="cant_update_message")
    content = _content(call)
    fields = message_fields(content, longest_text=UPDATE_TEXT)
    metadata = message.metadata if content.get("metadata") is None else content["metadata"] or None
    updated = call.state.post(replace(message, metadata=metadata, edited_ts=call.state.next_ts(), **fields))
    return {
        "channel": updated.channel_id,
        "ts": updated.ts,
        "text": updated.text,
        "message": updated.to_json(with_metadata=True),
    }


def delete(call: Call) -> Json:
    """Delete an own message."""
    message = _own_message(call, refused="cant_delete_message")
    call.state.delete(message)
    return {"channel": message.channel_id, "ts": message.ts}


def get_permalink(call: Call) -> Json:
    """Return the address under which the page shows a message."""
    channel = call.channel()
    message = call.state.message(channel.id, call.required("message_ts"), seen_by=call.app.bot_user_id)
    path = f"archives/{channel.id}/p{message.ts.replace('.', '')}"
    return {"channel": channel.id, "permalink": f"{call.site_url}{path}"}


def _destination(call: Call) -> Channel:
    name = call.required("channel", error="channel_not_found")
    if name not in call.state.users:
        return call.channel()
    user = call.state.users[name]
    if user.is_bot:
        raise RefusedError("cannot_dm_bot")
    return call.state.direct_message(user)


def _content(call: Call) -> Json:
    return {
        "text": call.text("text"),
        "blocks": call.structure("blocks", error="invalid_blocks_format"),
        "attachments": call.structure("attachments", error="invalid_attachments"),
        "metadata": call.structure("metadata", error="invalid_metadata_format"),
    }


def _thread(call: Call, channel: Channel) -> str | None:
    thread_ts = call.text("thread_ts")
    if thread_ts is None:
        return None
    try:
        parent = call.state.message(channel.id, thread_ts, seen_by=call.app.bot_user_id)
    except RefusedError as unknown:
        raise RefusedError("thread_not_found") from unknown
    return parent.thread_ts or parent.ts


def _own_message(call: Call, *, refused: str) -> Message:
    channel = call.channel()
    message = call.state.message(channel.id, call.required("ts"), seen_by=call.app.bot_user_id)
    if message.bot_id != call.app.bot_id:
        raise RefusedError(refused)
    if channel.archived:
        raise RefusedError("is_archived")
    return message


METHODS: Mapping[str, Method] = {
    "chat.postMessage": Method(post_message, "chat:write"),
    "chat.postEphemeral": Method(post_ephemeral, "chat:write"),
    "chat.update": Method(update, "chat:write"),
    "chat.delete": Method(delete, "chat:write"),
    "chat.getPermalink": Method(get_permalink),
}
