"""Parameters that were written as text, one by one: read by the type of each, and checked with all that stay."""

from collections.abc import Mapping
from typing import Any

from actions.canonical import Json
from actions.errors import BadParametersError
from actions.printable import printable
from actions.registry import ActionDefinition
from actions.validation import validate_action_params
from bot.parameter_entry import items_in, json_in, number_in
from bot.parameter_fields import Kind, ParameterField, fields_of


def changed_parameters(
    definition: ActionDefinition[Any], stored: Mapping[str, Json], written: Mapping[str, str]
) -> Mapping[str, Json]:
    """Return *stored* with the values that were *written* in the place of some.

    A number, a choice or a text is written as it is, a list as `a,b` or as JSON, anything else as JSON; `null` is null
    where the parameter takes that.

    Raises:
        BadParametersError: with all problems at once
    """
    fields = {field.name: field for field in fields_of(definition)}
    wanted = dict(stored)
    problems: list[tuple[str | None, str]] = []
    for name, text in written.items():
        field = fields.get(name)
        try:
            # There is no such parameter: the check says so.
            wanted[name] = text if field is None else _read(field, text)
        except ValueError as error:
            allowed = f"; allowed is {field.accepts.in_words()}" if field else ""
            problems.append((name, f"{printable(name, 100)}: {error}{allowed}"))
    try:
        validate_action_params(definition, wanted)
    except BadParametersError as error:
        problems += zip(error.parameters, error.problems, strict=True)
    if problems:
        raise BadParametersError(definition.name, [text for _, text in problems], [name for name, _ in problems])
    return wanted


def _read(field: ParameterField, text: str) -> Json:
    if field.nullable and text == "null":
        return None
    match field.accepts.kind:
        case Kind.TEXT:
            return text
        case Kind.WHOLE | Kind.DECIMAL:
            return number_in(text, field.accepts)
        case Kind.CHOICE:
            return _choice(text, field.accepts.choices)
        case Kind.LIST if not text.lstrip().startswith("["):
            return items_in(text.split(","), field.accepts.item)
        case _:
            return json_in(text)


def _choice(text: str, choices: tuple[Json, ...]) -> Json:
    for choice in choices:
        if text in _words(choice):
            return choice
    raise ValueError(f"{text!r} is none of its values")


def _words(choice: Json) -> tuple[str, ...]:
    match choice:
        case True:
            return ("yes", "true")
        case False:
            return ("no", "false")
        case _:
            return (str(choice),)
