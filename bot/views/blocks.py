"""The few Block Kit shapes that we use. None of them is mrkdwn, so nothing that we are handed is ever parsed."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

Block: TypeAlias = dict[str, Any]
View: TypeAlias = dict[str, Any]

MESSAGE_BYTES: Final = 12_000
"""Slack refuses a message whose blocks take about 13,200 characters of JSON altogether, which it does not document."""


def text(value: str, *, bold: bool = False, code: bool = False) -> Block:
    """A piece of text inside a section, a bullet or a preformatted part."""
    style = {name: True for name, on in (("bold", bold), ("code", code)) if on}
    return {"type": "text", "text": value} | ({"style": style} if style else {})


def user(user_id: str) -> Block:
    """A mention, which tells that person when the message is first posted."""
    return {"type": "user", "user_id": user_id}


def usergroup(usergroup_id: str) -> Block:
    """A mention of a Slack user group, which tells its members when the message is first posted."""
    return {"type": "usergroup", "usergroup_id": usergroup_id}


def link(url: str, label: str) -> Block:
    """A link; both parts must be our own."""
    return {"type": "link", "url": url, "text": label}


def section(*elements: Block) -> Block:
    """A paragraph of a rich text block."""
    return {"type": "rich_text_section", "elements": list(elements)}


def bullets(items: Iterable[Sequence[Block]]) -> Block:
    """A list of at least one item."""
    return {"type": "rich_text_list", "style": "bullet", "elements": [section(*item) for item in items]}


def preformatted(value: str) -> Block:
    """Text in a fixed-width box."""
    return {"type": "rich_text_preformatted", "elements": [text(value)]}


def rich_text(*parts: Block, block_id: str | None = None) -> Block:
    """A block of paragraphs, lists and boxes."""
    return {"type": "rich_text", "elements": list(parts)} | ({"block_id": block_id} if block_id else {})


def header(value: str) -> Block:
    """A headline of at most 150 characters."""
    return {"type": "header", "text": plain(value)}


def divider() -> Block:
    """A thin line."""
    return {"type": "divider"}


def plain(value: str) -> Block:
    """A `plain_text` object that leaves `:words:` alone."""
    return {"type": "plain_text", "text": value, "emoji": False}


def button(
    action_id: str, label: str, *, says: str, value: str, style: str | None = None, confirm: Block | None = None
) -> Block:
    """A button. *says* is its accessibility label, at most 75 characters."""
    made = {
        "type": "button",
        "action_id": action_id,
        "text": plain(label),
        "accessibility_label": says,
        "value": value,
    }
    return made | ({"style": style} if style else {}) | ({"confirm": confirm} if confirm else {})


def confirm(title: str, question: str, *, yes: str, no: str, danger: bool) -> Block:
    """The dialog behind a button: title up to 100, question up to 300, answers up to 30 characters."""
    return {
        "title": plain(title),
        "text": plain(question),
        "confirm": plain(yes),
        "deny": plain(no),
        "style": "danger" if danger else "primary",
    }


def actions(*buttons: Block) -> Block:
    """A row of at least one button."""
    return {"type": "actions", "elements": list(buttons)}


def size(value: object) -> int:
    """Return how many bytes *value* takes as compact JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
