"""Parameters, checked strictly, with every problem told at once."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from actions.canonical import Json, canonical_json
from actions.errors import BadParametersError
from actions.printable import printable
from actions.registry import ActionDefinition, P

MAX_PARAMETERS_BYTES = 16_384
_Problem: TypeAlias = tuple[str | None, str]
"""The parameter that it is about, if it is about one, and what is wrong."""


def validate_action_params(definition: ActionDefinition[P], parameters: Mapping[str, Any]) -> P:
    """Return *parameters* as the action's model.

    Raises:
        BadParametersError: with all problems: missing, unknown, of a wrong type (a bool is no integer, "2" is no
            integer), NaN or infinite, out of range, too long, or larger than 16 KiB altogether.
    """
    unstorable = {name: problem for name, value in parameters.items() if (problem := _why_unstorable(name, value))}
    text = canonical_json({name: value for name, value in parameters.items() if name not in unstorable})
    problems: list[_Problem] = [*unstorable.items(), *_size_problems(text)]
    try:
        # From JSON, in which choices are texts and tuples are lists, as they will be stored.
        model = definition.parameters.model_validate_json(text)
    except ValidationError as error:
        found = ((_parameter(detail), _sentence(detail)) for detail in error.errors(include_url=False))
        raise _refused(definition, [*problems, *(one for one in found if one[0] not in unstorable)]) from None
    if problems:
        raise _refused(definition, problems)
    return model


def canonical_parameters(model: P) -> Mapping[str, Json]:
    """Return the parameters as they are stored, shown and run: defaults filled in, plain JSON."""
    plain: Mapping[str, Json] = model.model_dump(mode="json")
    return plain


def _why_unstorable(name: str, value: object) -> str | None:
    try:
        canonical_json({name: cast("Json", value)})
    except (ValueError, RecursionError) as error:
        return f"{printable(str(name), 100)}: not storable as JSON ({error})"
    return None


def _size_problems(text: bytes) -> list[_Problem]:
    size = len(text)
    too_large = f"{size} bytes altogether, at most {MAX_PARAMETERS_BYTES} fit"
    return [(None, too_large)] if size > MAX_PARAMETERS_BYTES else []


def _refused(definition: ActionDefinition[P], problems: Sequence[_Problem]) -> BadParametersError:
    return BadParametersError(definition.name, [text for _, text in problems], [parameter for parameter, _ in problems])


def _parameter(detail: ErrorDetails) -> str | None:
    return str(detail["loc"][0]) if detail["loc"] else None


def _sentence(detail: ErrorDetails) -> str:
    where = printable(".".join(str(part) for part in detail["loc"]) or "parameters", 100)
    match detail["type"]:
        case "missing":
            return f"{where} is missing"
        case "extra_forbidden":
            return f"{where} is unknown"
        case _:
            return f"{where}: {detail['msg'][:1].lower()}{detail['msg'][1:]}, got {_short(detail['input'])}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
