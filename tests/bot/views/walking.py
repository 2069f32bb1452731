"""Looks into blocks as Slack does: what is parsed, what pings, what is refused."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slack_sdk.models.blocks import Block as SdkBlock
from slack_sdk.models.views import View as SdkView

from bot.views.blocks import MESSAGE_BYTES, size
from bot.views.message import MOST_TEXT, Message
from bot.workspace.validator import message_problems, mrkdwn_nodes, view_problems
from tests.bot.views.hostile import CANARY

_INERT = frozenset(
    {
        "actions", "button", "divider", "header", "home", "input", "modal", "number_input", "plain_text",
        "plain_text_input", "radio_buttons", "static_select",
        "rich_text", "rich_text_list", "rich_text_preformatted", "rich_text_section", "text",
    }
)  # fmt: skip
_ENTITY = re.compile(r"&(?:amp|lt|gt);")


def nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from nodes(inner)


def buttons(blocks: Sequence[Any]) -> list[str]:
    return [node["text"]["text"] for node in nodes(blocks) if node.get("type") == "button"]


def button(blocks: Sequence[Any], label: str) -> Mapping[str, Any]:
    (found,) = [node for node in nodes(blocks) if node.get("type") == "button" and node["text"]["text"] == label]
    return found


def message_faults(message: Message, *, users: Sequence[str] = (), links: Sequence[str] = ()) -> list[str]:
    """Everything that is wrong with a message, in words."""
    blocks = list(message.blocks)
    faults = message_problems(json.loads(json.dumps(message.payload())))
    for parsed in SdkBlock.parse_all(_distinct(blocks)):
        parsed.to_dict()
    faults += _shown_faults(blocks, users, links)
    faults += [f"the blocks take {size(blocks)} bytes"] if size(blocks) > MESSAGE_BYTES else []
    faults += [f"the text is {len(message.text)} long"] if len(message.text) > MOST_TEXT else []
    faults += ["the text has live markup"] if set("<>&") & set(_ENTITY.sub("", message.text)) else []
    faults += ["the text hides something"] if _hides(message.text) else []
    faults += ["the text is empty"] if not message.text.strip() else []
    faults += ["untrusted metadata"] if CANARY in json.dumps(dict(message.metadata or {})) else []
    return faults


def view_faults(view: Mapping[str, Any], *, users: Sequence[str] = (), links: Sequence[str] = ()) -> list[str]:
    """Everything that is wrong with a modal or tab, in words."""
    SdkView(**{**view, "blocks": _distinct(view["blocks"])}).to_dict()
    faults = view_problems(json.loads(json.dumps(view)))
    faults += ["untrusted metadata"] if CANARY in view.get("private_metadata", "") else []
    return faults + _shown_faults(view["blocks"], users, links)


def _distinct(blocks: Sequence[Any]) -> list[Any]:
    # The SDK checks each block by itself, and slowly.
    return list({json.dumps(block): block for block in blocks}.values())


def _shown_faults(blocks: Sequence[Any], users: Sequence[str], links: Sequence[str]) -> list[str]:
    faults = [f"mrkdwn: {text[:80]!r}" for text in mrkdwn_nodes(list(blocks))]
    for node in nodes(blocks):
        faults += _node_faults(node, users, links)
        faults += [f"hides {text[:80]!r}" for text in node.values() if isinstance(text, str) and _hides(text)]
    return faults


def _node_faults(node: Mapping[str, Any], users: Sequence[str], links: Sequence[str]) -> list[str]:
    match node.get("type"):
        case "user":
            return [] if node["user_id"] in users else [f"pings {node['user_id']}"]
        case "usergroup":
            return [] if node["usergroup_id"] in users else [f"pings {node['usergroup_id']}"]
        case "link":
            return [] if node["url"] in links else [f"links to {node['url']}"]
        case "button":
            return [] if node.get("accessibility_label") else ["a button that says nothing to screen readers"]
        case "plain_text":
            return [] if node["emoji"] is False else ["a text that makes emoji"]
        case kind:
            return [] if kind is None or kind in _INERT else [f"a {kind}"]


def _hides(text: str) -> bool:
    return not text.isprintable() and any(not char.isprintable() and char != "\n" for char in text)
