"""What becomes of an answer that the app gives outside the Web API: in an acknowledgement or to a response URL."""

from dataclasses import replace
from typing import Any

from bot.workspace.errors import RefusedError
from bot.workspace.interactive import input_blocks
from bot.workspace.posting import message_fields, view_definition
from bot.workspace.records import Json, View
from bot.workspace.response_urls import Target
from bot.workspace.state import State


def answer_command(state: State, *, user_id: str, channel_id: str, said: Json) -> None:
    """Post what the app said in its acknowledgement of a slash command: to the user alone unless it says otherwise.

    Raises:
        RefusedError: Slack would not post it.
    """
    visible_to = None if said.get("response_type") == "in_channel" else user_id
    state.app_message(channel_id, visible_to=visible_to, **message_fields(said))


def answer_response_url(state: State, target: Target, said: Any) -> None:
    """Do what was asked for at a response URL: post, replace or delete.

    Raises:
        RefusedError: Slack would not do it.
    """
    if not isinstance(said, dict):
        raise RefusedError("invalid_payload")
    original = said.get("delete_original") is True, said.get("replace_original") is True
    if any(original) and target.message_ts is not None:
        _change_original(state, target, target.message_ts, None if original[0] else said)
        return
    visible_to = None if said.get("response_type") == "in_channel" else target.user_id
    state.app_message(target.channel_id, visible_to=visible_to, thread_ts=said.get("thread_ts"), **message_fields(said))


def _change_original(state: State, target: Target, ts: str, said: Json | None) -> None:
    message = state.message(target.channel_id, ts, seen_by=target.user_id)
    if said is None:
        state.delete(message)
    else:
        state.post(replace(message, edited_ts=state.next_ts(), **message_fields(said)))


def answer_submission(state: State, view: View, said: Json | None) -> dict[str, str]:
    """Do what the app wants after a submission and return its errors per block, if those are its answer.

    Raises:
        RefusedError: It answered with something that Slack would not show.
    """
    action = (said or {}).get("response_action")
    match action:
        case None:
            state.views.close(view)
        case "clear":
            state.views.clear(view.user_id)
        case "update":
            state.views.update(view, view_definition((said or {}).get("view"), kind="modal"))
        case "push":
            state.views.push(view.user_id, view_definition((said or {}).get("view"), kind="modal"), within=view.id)
        case "errors":
            return _errors(view, (said or {}).get("errors"))
        case _:
            raise RefusedError("invalid_response_action")
    return {}


def _errors(view: View, errors: Any) -> dict[str, str]:
    fields = {block["block_id"] for block in input_blocks(view.blocks)}
    if not isinstance(errors, dict) or not errors or not errors.keys() <= fields:
        raise RefusedError("invalid_errors")
    if not all(isinstance(sentence, str) and sentence.strip() for sentence in errors.values()):
        raise RefusedError("invalid_errors")
    return dict(errors)
