"""What Slack accepts inside a block: text objects, interactive elements and rich text."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bot.workspace.shape import (
    Check,
    array,
    at_least_one_of,
    boolean,
    choice,
    every,
    exactly_one_of,
    integer,
    number,
    numeral,
    record,
    say,
    string,
    tagged,
    url,
)

ID = string(255)
STYLE = choice("primary", "danger")


def plain_text(longest: int) -> Check:
    """A ``plain_text`` object of at most *longest* characters."""
    return tagged({"plain_text": record({"text": string(longest)}, {"emoji": boolean})})


def any_text(longest: int) -> Check:
    """A ``plain_text`` or ``mrkdwn`` object of at most *longest* characters."""
    return tagged(
        {
            "plain_text": record({"text": string(longest)}, {"emoji": boolean}),
            "mrkdwn": record({"text": string(longest)}, {"verbatim": boolean}),
        }
    )


CONFIRM = record(
    {"title": plain_text(100), "text": any_text(300), "confirm": plain_text(30), "deny": plain_text(30)},
    {"style": STYLE},
)

PLAIN_OPTION = record({"text": plain_text(75), "value": string(150)}, {"description": plain_text(75)})
MENU_OPTION = record({"text": plain_text(75), "value": string(150)}, {"description": plain_text(75), "url": url()})
RICH_OPTION = record({"text": any_text(75), "value": string(150)}, {"description": any_text(75)})
OPTION_GROUP = record({"label": plain_text(75), "options": array(PLAIN_OPTION, 100, least=1)})

SLACK_FILE = every(exactly_one_of("id", "url"), record({}, {"id": string(), "url": url()}))
IMAGE = every(
    record({"alt_text": string(2000)}, {"image_url": url(), "slack_file": SLACK_FILE}),
    exactly_one_of("image_url", "slack_file"),
)

_ACTION: dict[str, Check] = {"action_id": ID, "confirm": CONFIRM}
_FIELD: dict[str, Check] = _ACTION | {"placeholder": plain_text(150), "focus_on_load": boolean}
_TYPING: dict[str, Check] = {
    "action_id": ID,
    "placeholder": plain_text(150),
    "focus_on_load": boolean,
    "dispatch_action_config": record(
        {}, {"trigger_actions_on": array(choice("on_enter_pressed", "on_character_entered"), 2, least=1)}
    ),
}
_SEVERAL: dict[str, Check] = {"max_selected_items": integer(1)}
_CONVERSATION_FILTER = every(
    record(
        {},
        {
            "include": array(choice("im", "mpim", "private", "public"), 4, least=1),
            "exclude_external_shared_channels": boolean,
            "exclude_bot_users": boolean,
        },
    ),
    at_least_one_of("include", "exclude_external_shared_channels", "exclude_bot_users"),
)

BUTTON = record(
    {"text": plain_text(75)},
    _ACTION
    | {
        "url": url(),
        "value": string(2000, shortest=0),
        "style": STYLE,
        "accessibility_label": string(75),
    },
)


def _select(single: str, plural: str, initial: Check, extra: dict[str, Check] | None = None) -> dict[str, Check]:
    more = extra or {}
    return {
        f"{single}_select": record({}, _FIELD | {f"initial_{plural.removesuffix('s')}": initial} | more),
        f"multi_{single}_select": record({}, _FIELD | _SEVERAL | {f"initial_{plural}": array(initial)} | more),
    }


def _static(initial: dict[str, Check]) -> Check:
    choices: dict[str, Check] = {
        "options": array(PLAIN_OPTION, 100, least=1),
        "option_groups": array(OPTION_GROUP, 100, least=1),
    }
    return every(
        record({}, _FIELD | choices | initial), exactly_one_of("options", "option_groups"), _initial_is_an_option
    )


def _initial_is_an_option(value: Any, pointer: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    offered = _list(value, "options")
    for group in _list(value, "option_groups"):
        offered += _list(group, "options")
    chosen = _list(value, "initial_options") + [value[key] for key in ("initial_option",) if key in value]
    if any(option not in offered for option in chosen):
        yield say("initial option must be one of the options", pointer)


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return list(found) if isinstance(found, list) else []


SELECTS: dict[str, Check] = {
    "static_select": _static({"initial_option": PLAIN_OPTION}),
    "multi_static_select": _static(_SEVERAL | {"initial_options": array(PLAIN_OPTION, 100, least=1)}),
    **_select("external", "options", PLAIN_OPTION, {"min_query_length": integer(0)}),
    **_select("users", "users", string()),
    **_select("channels", "channels", string(), {"response_url_enabled": boolean}),
    **_select(
        "conversations",
        "conversations",
        string(),
        {
            "response_url_enabled": boolean,
            "default_to_current_conversation": boolean,
            "filter": _CONVERSATION_FILTER,
        },
    ),
}

_CHOICES: dict[str, Check] = _ACTION | {"focus_on_load": boolean, "options": array(RICH_OPTION, 10, least=1)}
CHECKBOXES = every(
    record({"options": _CHOICES["options"]}, _CHOICES | {"initial_options": array(RICH_OPTION, 10, least=1)}),
    _initial_is_an_option,
)
RADIO_BUTTONS = every(
    record({"options": _CHOICES["options"]}, _CHOICES | {"initial_option": RICH_OPTION}), _initial_is_an_option
)
PICKERS: dict[str, Check] = {
    "datepicker": record({}, _FIELD | {"initial_date": string(10, shortest=10)}),
    "timepicker": record({}, _FIELD | {"initial_time": string(5, shortest=5), "timezone": string()}),
}
DATETIMEPICKER = record({}, _ACTION | {"focus_on_load": boolean, "initial_date_time": integer(1_000_000_000)})
WORKFLOW_BUTTON = record(
    {"text": plain_text(75), "workflow": record({"trigger": record({"url": url()})})},
    {"action_id": ID, "style": STYLE, "accessibility_label": string(75)},
)
_FEEDBACK = record({"text": plain_text(75), "value": string(2000)}, {"accessibility_label": string(75)})

INTERACTIVE: dict[str, Check] = {
    "button": BUTTON,
    "checkboxes": CHECKBOXES,
    "overflow": record({"options": array(MENU_OPTION, 5, least=1)}, _ACTION),
    "radio_buttons": RADIO_BUTTONS,
    "workflow_button": WORKFLOW_BUTTON,
    **SELECTS,
    **PICKERS,
}

ACCESSORY = tagged(INTERACTIVE | {"image": IMAGE})
ACTION = tagged(INTERACTIVE | {"datetimepicker": DATETIMEPICKER})
CARD_ACTION = tagged({"button": BUTTON})
CONTEXT_ACTION = tagged(
    {
        "feedback_buttons": record({"positive_button": _FEEDBACK, "negative_button": _FEEDBACK}, {"action_id": ID}),
        "icon_button": record(
            {"icon": choice("trash"), "text": plain_text(75)},
            _ACTION
            | {
                "value": string(2000),
                "accessibility_label": string(75),
                "visible_to_user_ids": array(string(), least=1),
            },
        ),
    }
)
CONTEXT = tagged(
    {
        "image": IMAGE,
        "plain_text": record({"text": string(3000)}, {"emoji": boolean}),
        "mrkdwn": record({"text": string(3000)}, {"verbatim": boolean}),
    }
)

_TEXT_STYLE = record(
    {},
    dict.fromkeys(
        ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"), boolean
    ),
)
_STYLED: dict[str, Check] = {"style": _TEXT_STYLE}
_RICH_TEXT = record({"text": string()}, _STYLED)
_RICH_LINK = record({"url": string(3000)}, _STYLED | {"text": string(), "unsafe": boolean})
_INLINE = tagged(
    {
        "text": _RICH_TEXT,
        "link": _RICH_LINK,
        "user": record({"user_id": string()}, _STYLED),
        "channel": record({"channel_id": string()}, _STYLED),
        "usergroup": record({"usergroup_id": string()}, _STYLED),
        "team": record({"team_id": string()}, _STYLED),
        "broadcast": record({"range": choice("here", "channel", "everyone")}, _STYLED),
        "color": record({"value": string()}, _STYLED),
        "emoji": record(
            {"name": string()}, _STYLED | {"unicode": string(), "skin_tone": integer(1, 6), "url": string()}
        ),
        "date": record(
            {"timestamp": integer(), "format": string()}, _STYLED | {"url": string(3000), "fallback": string()}
        ),
    }
)
_BORDER = integer(0, 1)
_RICH_SECTION = record({"elements": array(_INLINE)})
RICH_TEXT = tagged(
    {
        "rich_text_section": _RICH_SECTION,
        "rich_text_list": record(
            {
                "elements": array(tagged({"rich_text_section": _RICH_SECTION}), least=1),
                "style": choice("bullet", "ordered"),
            },
            {"indent": integer(0, 8), "offset": integer(0), "border": _BORDER},
        ),
        "rich_text_preformatted": record(
            {"elements": array(tagged({"text": _RICH_TEXT, "link": _RICH_LINK}))},
            {"border": _BORDER, "language": string()},
        ),
        "rich_text_quote": record({"elements": array(_INLINE)}, {"border": _BORDER}),
    }
)
RICH_TEXT_BLOCK = record({"elements": array(RICH_TEXT, least=1)}, {"block_id": ID})


def _in_order(low: str, high: str) -> Check:
    """Not *low* above *high*; whether either is there and a number at all is for other checks to say."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, dict):
            return
        below, above = _number(value.get(low)), _number(value.get(high))
        if below is not None and above is not None and below > above:
            yield say(f"must not be greater than {high}", f"{pointer}/{low}")

    return check


def _number(value: Any) -> Decimal | None:
    return Decimal(value) if isinstance(value, int) or not any(numeral(value, "")) else None


def _whole_unless_decimal(value: Any, pointer: str) -> Iterator[str]:
    if not isinstance(value, dict) or value.get("is_decimal_allowed") is not False:
        return
    for key in ("initial_value", "min_value", "max_value"):
        if isinstance(value.get(key), str) and "." in value[key]:
            yield say("must be a whole number unless is_decimal_allowed", f"{pointer}/{key}")


NUMBER_INPUT = every(
    record(
        {"is_decimal_allowed": boolean},
        _TYPING | dict.fromkeys(("initial_value", "min_value", "max_value"), numeral),
    ),
    _in_order("min_value", "max_value"),
    _in_order("min_value", "initial_value"),
    _in_order("initial_value", "max_value"),
    _whole_unless_decimal,
)
PLAIN_TEXT_INPUT = every(
    record(
        {},
        _TYPING
        | {
            "initial_value": string(3000),
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
        },
    ),
    _in_order("min_length", "max_length"),
)

INPUT = tagged(
    {
        "checkboxes": CHECKBOXES,
        "datetimepicker": DATETIMEPICKER,
        "email_text_input": record({}, _TYPING | {"initial_value": string()}),
        "file_input": record({}, {"action_id": ID, "filetypes": array(string()), "max_files": integer(1, 10)}),
        "number_input": NUMBER_INPUT,
        "plain_text_input": PLAIN_TEXT_INPUT,
        "radio_buttons": RADIO_BUTTONS,
        "rich_text_input": record(
            {}, _TYPING | {"initial_value": tagged({"rich_text": RICH_TEXT_BLOCK}), "min_lines": integer(1)}
        ),
        "url_text_input": record({}, _TYPING | {"initial_value": string()}),
        **SELECTS,
        **PICKERS,
    }
)
TABLE_CELL = tagged(
    {
        "raw_text": record({"text": string()}),
        "raw_number": record({"value": number, "text": string()}),
        "rich_text": RICH_TEXT_BLOCK,
    }
)
