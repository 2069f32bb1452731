"""Parameters, checked strictly, with every problem told at once."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from actions.canonical import Json, canonical_json
from actions.errors import BadParametersError
from actions.registry import ActionDefinition, P

MAX_PARAMETERS_BYTES = 16_384


def validate_action_params(definition: ActionDefinition[P], parameters: Mapping[str, Any]) -> P:
    """Return *parameters* as the action's model.

    Raises:
        BadParametersError: with all problems: missing, unknown, of a wrong type (a bool is no integer, "2" is no
            integer), NaN or infinite, out of range, too long, or larger than 16 KiB altogether.
    """
    problems = _size_problems(parameters)
    try:
        model = definition.parameters.model_validate(dict(parameters))
    except ValidationError as error:
        problems += [_sentence(detail) for detail in error.errors(include_url=False)]
        raise BadParametersError(definition.name, problems) from None
    if problems:
        raise BadParametersError(definition.name, problems)
    return model


def canonical_parameters(model: P) -> Mapping[str, Json]:
    """Return the parameters as they are stored, shown and run: defaults filled in, plain JSON."""
    plain: Mapping[str, Json] = model.model_dump(mode="json")
    return plain


def _size_problems(parameters: Mapping[str, Any]) -> list[str]:
    try:
        size = len(canonical_json(parameters))
    except (ValueError, TypeError, RecursionError) as error:
        return [f"not storable as JSON ({error})"]
    return [f"{size} bytes altogether, at most {MAX_PARAMETERS_BYTES} fit"] if size > MAX_PARAMETERS_BYTES else []


def _sentence(detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "parameters"
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
