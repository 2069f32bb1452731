"""What Slack accepts as a block and as a view, surface by surface."""

from collections.abc import Iterator, Mapping
from typing import Any

from bot.workspace.elements import (
    ACCESSORY,
    ACTION,
    CARD_ACTION,
    CONTEXT,
    CONTEXT_ACTION,
    ID,
    IMAGE,
    INPUT,
    RICH_TEXT_BLOCK,
    SLACK_FILE,
    TABLE_CELL,
    any_text,
    plain_text,
)
from bot.workspace.shape import (
    Check,
    array,
    at_least_one_of,
    boolean,
    choice,
    every,
    exactly_one_of,
    integer,
    nullable,
    record,
    say,
    string,
    tagged,
    url,
)

MARKDOWN_CHARACTERS = 12_000
VIEW_BLOCKS = 100


def _block(required: Mapping[str, Check] | None = None, optional: Mapping[str, Check] | None = None) -> Check:
    return record(required, {"block_id": ID} | dict(optional or {}))


_SECTION = every(
    _block(
        {},
        {
            "text": any_text(3000),
            "fields": array(any_text(2000), 10, least=1),
            "accessory": ACCESSORY,
            "expand": boolean,
        },
    ),
    at_least_one_of("text", "fields"),
)
_IMAGE_BLOCK = every(
    _block({"alt_text": string(2000)}, {"image_url": url(), "slack_file": SLACK_FILE, "title": plain_text(2000)}),
    exactly_one_of("image_url", "slack_file"),
)
_INPUT_BLOCK = _block(
    {"label": plain_text(2000), "element": INPUT},
    {"hint": plain_text(2000), "optional": boolean, "dispatch_action": boolean},
)
_VIDEO = _block(
    {"alt_text": string(), "video_url": url(), "thumbnail_url": url(), "title": plain_text(199)},
    {
        "title_url": url(),
        "description": plain_text(200),
        "provider_icon_url": url(),
        "provider_name": string(),
        "author_name": string(49),
    },
)
_COLUMN = record({}, {"align": choice("left", "center", "right"), "is_wrapped": boolean})
_TABLE = _block(
    {"rows": array(array(TABLE_CELL, 20, least=1), 100, least=1)},
    {"column_settings": array(nullable(_COLUMN), 20)},
)


def _header_row_is_plain(value: Any, pointer: str) -> Iterator[str]:
    rows = value.get("rows") if isinstance(value, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return
    if len({len(row) for row in rows}) > 1:
        yield say("all rows must have the same number of values", f"{pointer}/rows")
    for index, cell in enumerate(rows[0] if rows else []):
        if isinstance(cell, dict) and cell.get("type") == "rich_text":
            yield say("rich_text is not allowed in the header row", f"{pointer}/rows/0/{index}")


_DATA_TABLE = every(
    _block(
        {"caption": string(), "rows": array(array(TABLE_CELL, 20, least=1), 101, least=2)},
        {"page_size": integer(1, 100), "row_header_column_index": integer(0, 19)},
    ),
    _header_row_is_plain,
)
_IMAGE_ELEMENT = tagged({"image": IMAGE})
_CARD = every(
    _block(
        {},
        {
            "hero_image": _IMAGE_ELEMENT,
            "icon": _IMAGE_ELEMENT,
            "title": any_text(150),
            "subtitle": any_text(150),
            "body": any_text(200),
            "subtext": any_text(200),
            "actions": array(CARD_ACTION, 3),
        },
    ),
    at_least_one_of("hero_image", "title", "actions", "body"),
)
_TASK_CARD = _block(
    {"task_id": string(), "title": string(), "status": choice("pending", "in_progress", "complete", "error")},
    {
        "details": tagged({"rich_text": RICH_TEXT_BLOCK}),
        "output": tagged({"rich_text": RICH_TEXT_BLOCK}),
        "sources": array(tagged({"url": record({"url": url(), "text": string()})})),
    },
)
_EVERYWHERE: dict[str, Check] = {
    "actions": _block({"elements": array(ACTION, 25, least=1)}),
    "context": _block({"elements": array(CONTEXT, 10, least=1)}),
    "divider": _block(),
    "header": _block({"text": plain_text(150)}),
    "image": _IMAGE_BLOCK,
    "input": _INPUT_BLOCK,
    "rich_text": RICH_TEXT_BLOCK,
    "section": _SECTION,
    "video": _VIDEO,
}
_INSIDE_A_MESSAGE: dict[str, Check] = _EVERYWHERE | {
    "card": _CARD,
    "carousel": _block({"elements": array(tagged({"card": _CARD}), 10, least=1)}),
    "context_actions": _block({"elements": array(CONTEXT_ACTION, 5, least=1)}),
    "data_table": _DATA_TABLE,
    "markdown": _block({"text": string(MARKDOWN_CHARACTERS)}),
    "plan": _block({"title": string()}, {"tasks": array(tagged({"task_card": _TASK_CARD}))}),
    "table": _TABLE,
    "task_card": _TASK_CARD,
}


def _divider_or_collapsible(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, dict) and value.get("is_collapsible") is True and value.get("has_header_divider") is True:
        yield say("must not be set when is_collapsible is true", f"{pointer}/has_header_divider")


_CONTAINER = every(
    _block(
        {"child_blocks": array(tagged(_INSIDE_A_MESSAGE), 10, least=1)},
        {
            "title": plain_text(150),
            "rich_text_title": tagged({"rich_text": RICH_TEXT_BLOCK}),
            "subtitle": any_text(150),
            "width": choice("narrow", "standard", "wide", "full"),
            "icon": _IMAGE_ELEMENT,
            "is_collapsible": boolean,
            "default_collapsed": boolean,
            "has_header_divider": boolean,
        },
    ),
    at_least_one_of("title", "rich_text_title"),
    _divider_or_collapsible,
)
MESSAGE_BLOCK = tagged(_INSIDE_A_MESSAGE | {"container": _CONTAINER})
HOME_BLOCK = tagged(_EVERYWHERE)
MODAL_BLOCK = tagged(
    _EVERYWHERE
    | {"alert": _block({"text": any_text(200)}, {"level": choice("default", "info", "warning", "error", "success")})}
)

_VIEW_KEYS: dict[str, Check] = {
    "private_metadata": string(3000, shortest=0),
    "callback_id": string(255, shortest=0),
    "external_id": string(255, shortest=0),
}
VIEW = tagged(
    {
        "modal": record(
            {"title": plain_text(24), "blocks": array(MODAL_BLOCK, VIEW_BLOCKS, least=1)},
            _VIEW_KEYS
            | {
                "submit": plain_text(24),
                "close": plain_text(24),
                "clear_on_close": boolean,
                "notify_on_close": boolean,
                "submit_disabled": boolean,
            },
        ),
        "home": record({"blocks": array(HOME_BLOCK, VIEW_BLOCKS, least=1)}, _VIEW_KEYS),
    }
)
