"""Turns what somebody wants to post into fields of a message, or refuses it with the code that Slack would answer."""

from collections.abc import Iterable, Mapping
from typing import Any

from bot.workspace.errors import RefusedError
from bot.workspace.records import Json
from bot.workspace.validator import MESSAGE_TEXT, Problem, find_message_problems, find_view_problems


def message_fields(payload: Mapping[str, Any], *, longest_text: int = MESSAGE_TEXT) -> Json:
    """Return ``text``, ``blocks`` and ``attachments`` of *payload* as a `Message` takes them.

    Raises:
        RefusedError: Slack would not post it.
    """
    require_none(find_message_problems(payload, longest_text=longest_text))
    return {
        "text": payload.get("text") or "",
        "blocks": tuple(payload.get("blocks") or ()),
        "attachments": tuple(payload.get("attachments") or ()),
    }


def view_definition(view: Any, *, kind: str) -> Json:
    """Return *view* if it is one of *kind* (``modal`` or ``home``) that Slack would show.

    Raises:
        RefusedError: It is not.
    """
    require_none(find_view_problems(view))
    if view["type"] != kind:
        raise RefusedError(
            "invalid_arguments", messages=[f"must be a valid enum value: {kind} [json-pointer:/view/type]"]
        )
    definition: Json = view
    return definition


def require_none(problems: Iterable[Problem]) -> None:
    """Refuse with the code of the first problem and the sentences of all that share it."""
    found = list(problems)
    if found:
        code = found[0].code
        raise RefusedError(code, messages=[problem.text for problem in found if problem.code == code and problem.text])
