"""Reads the form for an action's parameters back into what `validate_action_params` takes."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from actions.canonical import Json
from actions.errors import BadParametersError, BadRequestError
from actions.printable import sentence
from actions.registry import ActionDefinition
from bot.ids import PARAMETER, Entry
from bot.parameter_fields import ABSENT, Absent, Accepted, JsonOrAbsent, Kind, ParameterField, fields_of
from bot.payloads import Entered, ViewSubmission
from bot.strict_json import read_json
from bot.views.plain import line

_MOST_ERROR: Final = 500
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,30}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")


def entered_parameters(definition: ActionDefinition[Any], form: ViewSubmission) -> Mapping[str, Json]:
    """Return what was entered; what was left out is absent. Whether it fits the action is not looked at.

    Raises:
        BadParametersError: some of it reads as no value at all; every such field is named.
        BadRequestError: the form is one for other parameters, because the action has changed since.
    """
    fields = fields_of(definition)
    entered = _inputs(form)
    if entered.keys() != {field.block_id for field in fields}:
        raise _outdated()
    read: dict[str, Json] = {}
    problems: dict[str, str] = {}
    for field in fields:
        try:
            value = _read(field, *entered[field.block_id])
        except ValueError as error:
            problems[field.name] = str(error)
            continue
        if not isinstance(value, Absent):
            read[field.name] = value
    if problems:
        raise BadParametersError(definition.name, list(problems.values()), list(problems))
    return read


def field_errors(definition: ActionDefinition[Any], error: BadParametersError) -> Mapping[str, str]:
    """Return a sentence per `block_id`: what is allowed there, and what is wrong; at the first what has no field."""
    fields = {field.name: field for field in fields_of(definition)}
    said: dict[str, list[str]] = {}
    for name, problem in zip(error.parameters, error.problems, strict=True):
        field = fields.get(name or "") or next(iter(fields.values()), None)
        if field is not None:
            allowed = [f"Allowed is {field.accepts.in_words()}"] if field.name == name else []
            said.setdefault(field.block_id, allowed).append(sentence(problem))
    return {block: line(f"{'. '.join(sentences)}.", _MOST_ERROR) for block, sentences in said.items()}


def _inputs(form: ViewSubmission) -> dict[str, tuple[Entry, Entered]]:
    found: dict[str, tuple[Entry, Entered]] = {}
    for block_id, inputs in form.values.items():
        if block_id.startswith(PARAMETER):
            if len(inputs) != 1 or not inputs.keys() <= set(Entry):
                raise _outdated()
            ((name, entered),) = inputs.items()
            found[block_id] = (Entry(name), entered)
    return found


def _outdated() -> BadRequestError:
    return BadRequestError("This action has changed since the form was opened. Close the form and open it again.")


def _read(field: ParameterField, entry: Entry, entered: Entered) -> JsonOrAbsent:
    if entered.choice is None and not entered.text:
        return None if field.sends_null else ABSENT
    match entry:
        case Entry.TEXT:
            return entered.text
        case Entry.LINES:
            return items_in(entered.text.splitlines(), field.accepts.item)
        case Entry.NUMBER:
            return number_in(entered.text, field.accepts)
        case Entry.CHOICE:
            return json_in(entered.choice or "")
        case Entry.JSON:
            return json_in(entered.text)


def items_in(texts: Iterable[str], item: Accepted | None) -> list[Json]:
    """Return a list of texts or numbers, one of each text that is not blank. Raises `ValueError`."""
    found = [stripped for one in texts if (stripped := one.strip())]
    numbers = item is not None and item.kind in {Kind.WHOLE, Kind.DECIMAL}
    return [number_in(one, item) if numbers and item else one for one in found]


def number_in(text: str, accepts: Accepted) -> int | float:
    """Return the number that somebody wrote. Raises `ValueError`."""
    if accepts.kind is Kind.WHOLE:
        if not _WHOLE.fullmatch(text):
            raise ValueError(f"{text!r} is not a whole number")
        return int(text)
    if not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(f"{text!r} is not a number, or is too large")
    return float(text)


def json_in(text: str) -> Json:
    """Return the value that somebody wrote as JSON. Raises `ValueError`."""
    try:
        return read_json(text.encode())
    except BadRequestError as error:
        raise ValueError(str(error).rstrip(".")) from None
