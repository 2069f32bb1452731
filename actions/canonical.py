"""One spelling for every JSON value, so that hashes of equal things are equal."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import orjson

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

# Dates and records are no JSON, though orjson would write them.
_ALWAYS_FINITE: Final = frozenset({str, int, bool})
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def canonical_json(value: Json) -> bytes:
    """Return *value* as compact JSON with sorted keys.

    Raises:
        ValueError: for NaN and infinities, integers outside 64 bits, lone surrogates, and types JSON does not have.
    """
    _require_finite(value)
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from error


def digest(value: Json) -> str:
    """Return the SHA-256 of the canonical form, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _require_finite(value: Json) -> None:
    # orjson writes NaN as null, which would let two different values share one hash.
    if value is None or type(value) in _ALWAYS_FINITE:
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN and infinities are not JSON")
    if isinstance(value, Mapping):
        for item in value.values():
            _require_finite(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            _require_finite(item)
