"""What people enter into inputs: from the page's short form to Slack's ``state.values``, and what is still missing."""

from collections.abc import Iterable
from typing import Any

from bot.workspace.interactive import VALUE_KEYS, initial_values, input_blocks, interactive_elements
from bot.workspace.records import Json


def entered_values(blocks: Iterable[Json], entered: Json) -> Json:
    """Return ``state.values`` for *blocks* with *entered* over their initial values.

    *entered* maps block_id to action_id to a value: bare (a string, the value of an option, a list of either) or in
    Slack's own form (an object). What names no input of *blocks* is dropped.
    """
    listed = list(blocks)
    values = initial_values(listed)
    for block_id, element in interactive_elements(listed):
        given = entered.get(block_id, {})
        if element["type"] in VALUE_KEYS and element["action_id"] in given:
            values[block_id][element["action_id"]] = _in_slacks_form(element, given[element["action_id"]])
    return values


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
    if isinstance(value, dict) and key in value:
        return {"type": element["type"], key: value[key]}
    if key in {"selected_option", "selected_options"}:
        value = [_option(element, one) for one in value] if isinstance(value, list) else _option(element, value)
    return {"type": element["type"], key: value if value != "" else None}


def _option(element: Json, value: Any) -> Any:
    groups = element.get("option_groups", [{"options": element.get("options", [])}])
    options = [option for group in groups for option in group["options"]]
    return next((option for option in options if option["value"] == value), value)


def _problem(element: Json, value: Any, *, optional: bool) -> str | None:
    if value in (None, "", []):
        return None if optional else "Please complete this required field."
    if element["type"] == "plain_text_input":
        if len(value) < element.get("min_length", 0):
            return f"Please enter at least {element['min_length']} characters."
        if len(value) > element.get("max_length", 3000):
            return f"Please enter at most {element.get('max_length', 3000)} characters."
    return None
