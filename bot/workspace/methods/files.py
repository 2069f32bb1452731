"""``files.*``: an upload in three steps. The bytes themselves arrive in between, at the upload URL."""

from collections.abc import Mapping
from dataclasses import replace

from bot.workspace.call import Call
from bot.workspace.errors import RefusedError
from bot.workspace.method import Method
from bot.workspace.posting import message_fields
from bot.workspace.records import File, Json

MOST_BYTES = 16 * 1024 * 1024


def get_upload_url(call: Call) -> Json:
    """Reserve a file and say where its bytes go."""
    length = call.whole("length", default=0, most=MOST_BYTES)
    if not length:
        raise RefusedError("invalid_arguments")
    file = File(id=call.state.ids.next("F"), name=call.required("filename"), user_id=call.app.bot_user_id)
    call.state.put_file(file)
    return {"file_id": file.id, "upload_url": f"{call.site_url}upload/{file.id}"}


def complete_upload(call: Call) -> Json:
    """Share uploaded files, in a channel if one is named."""
    named = call.structure("files", error="invalid_arguments")
    if not isinstance(named, list) or not named:
        raise RefusedError("invalid_arguments")
    files = [_arrived(call, entry) for entry in named]
    shown = [file.to_json(call.site_url) for file in files]
    if call.text("channel_id"):
        channel = call.channel("channel_id")
        call.require_member(channel)
        content = {
            "text": call.text("initial_comment"),
            "blocks": call.structure("blocks", error="invalid_blocks_format"),
            "files": shown,
        }
        call.state.app_message(
            channel.id, files=tuple(shown), thread_ts=call.text("thread_ts"), **message_fields(content)
        )
    return {"files": [{"id": file.id, "title": file.title or file.name} for file in files]}


def _arrived(call: Call, entry: object) -> File:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise RefusedError("invalid_arguments")
    file = call.state.file(entry["id"])
    if file.content is None:
        raise RefusedError("file_not_found")
    return call.state.put_file(replace(file, title=str(entry.get("title") or "")))


METHODS: Mapping[str, Method] = {
    "files.getUploadURLExternal": Method(get_upload_url, "files:write"),
    "files.completeUploadExternal": Method(complete_upload, "files:write"),
}
