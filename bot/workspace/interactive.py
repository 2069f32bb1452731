"""Finding one's way in blocks: what can be clicked, what can be filled in, and the ids that Slack gives to both."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from bot.workspace.ids import Ids
from bot.workspace.records import Json

# Per element type, the key under which a payload carries what was chosen or typed, and the key that presets it.
VALUE_KEYS: dict[str, tuple[str, str]] = {
    "plain_text_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "rich_text_input": ("rich_text_value", "initial_value"),
    "file_input": ("files", "initial_files"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "users_select": ("selected_user", "initial_user"),
    "channels_select": ("selected_channel", "initial_channel"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_static_select": ("selected_options", "initial_options"),
    "multi_external_select": ("selected_options", "initial_options"),
    "checkboxes": ("selected_options", "initial_options"),
    "multi_users_select": ("selected_users", "initial_users"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
}


def with_ids(blocks: Iterable[Json], ids: Ids) -> list[Json]:
    """Return a copy of *blocks* in which every block has a block_id and every interactive element an action_id."""
    copied = copy.deepcopy(list(blocks))
    for block in _walk(copied):
        block.setdefault("block_id", ids.next("b"))
        for element in _elements_of(block):
            element.setdefault("action_id", ids.next("a"))
    return copied


def interactive_elements(blocks: Iterable[Json]) -> Iterator[tuple[str, Json]]:
    """Yield every element that a person can use, with the id of the block that holds it."""
    for block in _walk(blocks):
        for element in _elements_of(block):
            yield block["block_id"], element


def input_blocks(blocks: Iterable[Json]) -> Iterator[Json]:
    """Yield the blocks that a person fills in."""
    return (block for block in _walk(blocks) if block["type"] == "input")


def initial_values(blocks: Iterable[Json]) -> Json:
    """Return ``state.values`` for *blocks* before anybody touched them."""
    values: Json = {}
    for block_id, element in interactive_elements(blocks):
        if element["type"] in VALUE_KEYS:
            chosen, preset = VALUE_KEYS[element["type"]]
            empty: Any = [] if chosen.endswith("s") else None
            values.setdefault(block_id, {})[element["action_id"]] = {
                "type": element["type"],
                chosen: element.get(preset, empty),
            }
    return values


def _walk(blocks: Iterable[Json]) -> Iterator[Json]:
    for block in blocks:
        yield block
        yield from _walk(block.get("child_blocks", ()))
        if block["type"] == "carousel":
            yield from _walk(block["elements"])


def _elements_of(block: Json) -> list[Json]:
    match block["type"]:
        case "section":
            accessory = block.get("accessory")
            return [accessory] if accessory and accessory["type"] != "image" else []
        case "input":
            return [block["element"]]
        case "actions" | "context_actions":
            return list(block["elements"])
        case "card":
            return list(block.get("actions", ()))
        case _:
            return []
