"""Parameters, checked strictly, with every problem told at once."""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from actions.canonical import Json, canonical_json
from actions.errors import BadParametersError
from actions.printable import printable
from actions.registry import ActionDefinition, P

MAX_PARAMETERS_BYTES = 16_384


def validate_action_params(definition: ActionDefinition[P], parameters: Mapping[str, Any]) -> P:
    """Return *parameters* as the action's model.

    Raises:
        BadParametersError: with all problems: missing, unknown, of a wrong type (a bool is no integer, "2" is no
            integer), NaN or infinite, out of range, too long, or larger than 16 KiB altogether.
    """
    unstorable = {name: problem for name, value in parameters.items() if (problem := _why_unstorable(name, value))}
    text = canonical_json({name: value for name, value in parameters.items() if name not in unstorable})
    problems = [*unstorable.values(), *_size_problems(text)]
    try:
        # From JSON, in which choices are texts and tuples are lists, as they will be stored.
        model = definition.parameters.model_validate_json(text)
    except ValidationError as error:
        found = (
            detail for detail in error.errors(include_url=False) if next(iter(detail["loc"]), "") not in unstorable
        )
        raise BadParametersError(definition.name, [*problems, *map(_sentence, found)]) from None
    if problems:
        raise BadParametersError(definition.name, problems)
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


def _size_problems(text: bytes) -> list[str]:
    size = len(text)
    return [f"{size} bytes altogether, at most {MAX_PARAMETERS_BYTES} fit"] if size > MAX_PARAMETERS_BYTES else []


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
