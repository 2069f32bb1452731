"""What people enter into inputs: from the page's short form to Slack's ``state.values``, and what is still missing."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bot.workspace.errors import RefusedError
from bot.workspace.interactive import VALUE_KEYS, initial_values, input_blocks, interactive_elements
from bot.workspace.records import Json
from bot.workspace.shape import is_numeral


def entered_values(blocks: Iterable[Json], entered: Json) -> Json:
    """Return ``state.values`` for *blocks* with *entered* over their initial values.

    *entered* maps block_id to action_id to a value: bare (a string, the value of an option, a list of either) or in
    Slack's own form (an object). What names no input of *blocks* is dropped.

    Raises:
        RefusedError: ``option_not_found``: what was chosen is not offered.
    """
    listed = list(blocks)
    values = initial_values(listed)
    for block_id, element in interactive_elements(listed):
        given = entered.get(block_id, {})
        if element["type"] in VALUE_KEYS and element["action_id"] in given:
            values[block_id][element["action_id"]] = _in_slacks_form(element, given[element["action_id"]])
    return values


def kept_values(blocks: Iterable[Json], values: Json) -> Json:
    """Return the part of *values* that has a place in *blocks*: the same input, and options that it still offers."""
    kept: Json = {}
    for block_id, element in interactive_elements(blocks):
        value = values.get(block_id, {}).get(element["action_id"])
        if value is not None and value["type"] == element["type"] and not _strangers(element, value):
            kept.setdefault(block_id, {})[element["action_id"]] = value
    return kept


def form_problems(blocks: Iterable[Json], values: Json) -> dict[str, str]:
    """Return, per block_id, why Slack's client would not submit the form."""
    problems: dict[str, str] = {}
    for block in input_blocks(blocks):
        element = block["element"]
        value = values[block["block_id"]][element["action_id"]][VALUE_KEYS[element["type"]][0]]
        problem = _problem(element, value, optional=block.get("optional", False))
        if problem:
            problems[block["block_id"]] = problem
    return problems


def _in_slacks_form(element: Json, value: Any) -> Json:
    key = VALUE_KEYS[element["type"]][0]
    if isinstance(value, dict):
        value = value.get(key)
    if value in (None, ""):
        value = [] if key.endswith("s") else None
    elif key == "selected_option":
        value = _option(element, value)
    elif key == "selected_options":
        value = [_option(element, one) for one in (value if isinstance(value, list) else [value])]
    filled = {"type": element["type"], key: value}
    if _strangers(element, filled):
        raise RefusedError("option_not_found")
    return filled


def _option(element: Json, value: Any) -> Any:
    return next((option for option in _offered(element) if option["value"] == value), value)


def _offered(element: Json) -> list[Json]:
    groups = element.get("option_groups", [{"options": element.get("options", [])}])
    return [option for group in groups for option in group["options"]]


def _strangers(element: Json, value: Json) -> list[Any]:
    """Return what was chosen though *element*, which lists its options, does not offer it."""
    chosen = [value.get("selected_option"), *value.get("selected_options", [])]
    offered = _offered(element)
    return [option for option in chosen if option is not None and offered and option not in offered]


def _problem(element: Json, value: Any, *, optional: bool) -> str | None:
    if value in (None, "", []):
        return None if optional else "Please complete this required field."
    match element["type"]:
        case "plain_text_input":
            return _length_problem(element, value)
        case "number_input":
            return _number_problem(element, value)
        case _:
            return None


def _length_problem(element: Json, value: str) -> str | None:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if len(value) < least:
        return f"Please enter at least {least} characters."
    return f"Please enter at most {most} characters." if len(value) > most else None


def _number_problem(element: Json, value: str) -> str | None:
    decimal = element["is_decimal_allowed"]
    if not is_numeral(value, decimal=decimal):
        return "Please enter a number." if decimal else "Please enter a whole number."
    least, most = element.get("min_value"), element.get("max_value")
    if least is not None and Decimal(value) < Decimal(least):
        return f"Please enter a number that is {least} or more."
    if most is not None and Decimal(value) > Decimal(most):
        return f"Please enter a number that is {most} or less."
    return None
