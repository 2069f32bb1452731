"""Refuses the messages and views that Slack refuses: pure functions from a payload to its problems.

The limits are Slack's published ones but for one that people measured: all blocks of a message together may take about
13,200 characters of compact JSON, however little of it is text.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.workspace.blocks import MARKDOWN_CHARACTERS, MESSAGE_BLOCK, VIEW
from bot.workspace.shape import anything, array, mapping, record, say, string

MESSAGE_BLOCKS = 50
MESSAGE_TEXT = 40_000
UPDATE_TEXT = 4_000
MESSAGE_BLOCKS_CHARACTERS = 13_200
TABLE_CHARACTERS = 10_000
DATA_TABLE_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a payload is refused: Slack's error code and, for a wrong shape, what is wrong where."""

    code: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.text}" if self.text else self.code


def message_problems(payload: Mapping[str, Any], *, longest_text: int = MESSAGE_TEXT) -> list[str]:
    """Return why Slack would refuse to post *payload* (``text``, ``blocks``, ``attachments``, ``metadata``)."""
    return [str(problem) for problem in find_message_problems(payload, longest_text=longest_text)]


def view_problems(view: Any) -> list[str]:
    """Return why Slack would refuse to show *view*, a modal or an App Home tab."""
    return [str(problem) for problem in find_view_problems(view)]


def find_message_problems(payload: Mapping[str, Any], *, longest_text: int = MESSAGE_TEXT) -> Iterator[Problem]:
    """Yield the problems of a message, the one whose code Slack would answer first."""
    text = payload.get("text") or ""
    blocks = payload.get("blocks") or []
    if not isinstance(text, str):
        yield Problem("invalid_arguments", say("must provide a string", "/text"))
        return
    if not text.strip() and not blocks and not payload.get("attachments") and not payload.get("files"):
        yield Problem("no_text")
    if len(text) > longest_text:
        yield Problem("msg_too_long")
    for said in _block_list_problems(blocks, "/blocks"):
        yield Problem("invalid_blocks", said)
    if len(_compact(blocks)) > MESSAGE_BLOCKS_CHARACTERS:
        yield Problem("msg_blocks_too_long")
    yield from _attachment_problems(payload.get("attachments") or [])
    yield from _metadata_problems(payload.get("metadata"))


def find_view_problems(view: Any) -> Iterator[Problem]:
    """Yield the problems of a view."""
    for said in VIEW(view, "/view"):
        yield Problem("invalid_arguments", said)
    if not isinstance(view, dict):
        return
    blocks = view.get("blocks")
    if isinstance(blocks, list):
        for said in _repeated_ids(blocks, "/view/blocks"):
            yield Problem("invalid_arguments", said)
        if sum(_focused(block) for block in blocks) > 1:
            yield Problem("invalid_arguments", say("only one element may have focus_on_load", "/view/blocks"))
        if view.get("type") == "modal" and "submit" not in view and _has_input(blocks):
            yield Problem("invalid_arguments", say("submit is required when blocks contain an input", "/view/submit"))
    if len(_compact(view)) > 250_000:
        yield Problem("view_too_large")


def mrkdwn_nodes(blocks: Any) -> Iterator[str]:
    """Yield every text within *blocks* that Slack renders with markup: mrkdwn objects and markdown blocks."""
    if isinstance(blocks, dict):
        if blocks.get("type") in {"mrkdwn", "markdown"} and isinstance(blocks.get("text"), str):
            yield blocks["text"]
        blocks = list(blocks.values())
    if isinstance(blocks, list | tuple):
        for inner in blocks:
            yield from mrkdwn_nodes(inner)


_MESSAGE_BLOCKS = array(MESSAGE_BLOCK, MESSAGE_BLOCKS)


def _block_list_problems(blocks: Any, pointer: str) -> Iterator[str]:
    yield from _MESSAGE_BLOCKS(blocks, pointer)
    if isinstance(blocks, list):
        yield from _repeated_ids(blocks, pointer)
        yield from _cumulative_problems(blocks, pointer)


def _cumulative_problems(blocks: list[Any], pointer: str) -> Iterator[str]:
    tables = _of_type(blocks, "table")
    if len(tables) > 1:
        yield say("only_one_table_allowed", pointer)
    groups = [
        ("markdown blocks", _of_type(blocks, "markdown"), MARKDOWN_CHARACTERS),
        *(("cells of a table", [table], TABLE_CHARACTERS) for table in tables),
        *(("cells of a data_table", [table], DATA_TABLE_CHARACTERS) for table in _of_type(blocks, "data_table")),
    ]
    for name, owners, most in groups:
        if sum(len(text) for text in _texts(owners)) > most:
            yield say(f"must be less than {most + 1} characters in all {name}", pointer)


def _of_type(blocks: list[Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in blocks if isinstance(block, dict) and block.get("type") == kind]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _repeated_ids(blocks: list[Any], pointer: str) -> Iterator[str]:
    yield from _repeated("block_id", blocks, pointer)
    for index, block in enumerate(blocks):
        elements = block.get("elements") if isinstance(block, dict) else None
        if isinstance(elements, list):
            yield from _repeated("action_id", elements, f"{pointer}/{index}/elements")


def _repeated(key: str, owners: list[Any], pointer: str) -> Iterator[str]:
    ids = [owner[key] for owner in owners if isinstance(owner, dict) and isinstance(owner.get(key), str)]
    for repeated, count in Counter(ids).items():
        if count > 1:
            yield say(f"`{key}` `{repeated}` already exists", pointer)


def _focused(block: Any) -> int:
    """Count the elements of *block* that ask for the focus."""
    if not isinstance(block, dict):
        return 0
    listed = block.get("elements")
    elements = [block.get("element"), block.get("accessory"), *(listed if isinstance(listed, list) else [])]
    return sum(element.get("focus_on_load") is True for element in elements if isinstance(element, dict))


def _has_input(blocks: list[Any]) -> bool:
    return bool(_of_type(blocks, "input"))


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


_ATTACHMENTS = array(anything, 100)


def _attachment_problems(attachments: Any) -> Iterator[Problem]:
    for said in _ATTACHMENTS(attachments, "/attachments"):
        yield Problem("invalid_attachments", said)
    if not isinstance(attachments, list):
        return
    for index, attachment in enumerate(attachments):
        pointer = f"/attachments/{index}"
        if not isinstance(attachment, dict):
            yield Problem("invalid_attachments", say("must provide an object", pointer))
        elif "blocks" in attachment:
            inner = _block_list_problems(attachment["blocks"], f"{pointer}/blocks")
            yield from (Problem("invalid_blocks", said) for said in inner)


def _metadata_problems(metadata: Any) -> Iterator[Problem]:
    if metadata is None or metadata == {}:
        return
    for said in _METADATA(metadata, "/metadata"):
        yield Problem("invalid_metadata_format", said)


_METADATA = record({"event_type": string(), "event_payload": mapping(anything)}, {"entities": anything})
