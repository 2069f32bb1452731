"""JSON from outside, read so that it can mean only one thing and can be stored."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from actions.canonical import Json
from actions.errors import BadRequestError

MAX_DEPTH: Final = 32
_LARGEST: Final = 2**63 - 1
_MARKS: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{\]}]', re.DOTALL)
_DEEPER: Final = {"[": 1, "{": 1, "]": -1, "}": -1}


def read_json(raw: bytes) -> Json:
    """Return the value.

    Raises:
        BadRequestError: it is not UTF-8 or not JSON, nests more than 32 deep, repeats a key, or holds NaN, infinities,
            integers outside 64 bits, lone surrogates or NUL.
    """
    text = _text(raw)
    _require_shallow(text)
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except json.JSONDecodeError as error:
        raise BadRequestError(f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    _require_storable(value)
    return value


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequestError(f"This is not UTF-8: byte {error.start} cannot be read.") from None


def _require_shallow(text: str) -> None:
    # Ahead of the parser, which would recurse. Brackets inside strings do not count.
    depth = 0
    for mark in _MARKS.finditer(text):
        depth += _DEEPER.get(mark[0], 0)
        if depth > MAX_DEPTH:
            raise BadRequestError(f"This nests deeper than {MAX_DEPTH} levels.")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadRequestError(f"The key {key[:100]!r} comes twice in one object; it is not clear which one counts.")
        found[key] = value
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise BadRequestError(f"{word} is not JSON. Leave the value out, or write it as text.")


def _float(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise BadRequestError("A number is too large to be kept exactly.")
    return value


def _int(word: str) -> int:
    # Digits are counted first: turning a very long number into an integer takes time that grows with its square.
    if len(word) > 20 or not -_LARGEST <= int(word) <= _LARGEST:
        raise BadRequestError("A whole number does not fit into 64 bits.")
    return int(word)


def _require_storable(value: Json) -> None:
    match value:
        case str():
            _require_text(value)
        case Mapping():
            for key, item in value.items():
                _require_text(key)
                _require_storable(item)
        case Sequence():
            for item in value:
                _require_storable(item)
        case _:
            pass


def _require_text(text: str) -> None:
    if "\0" in text:
        raise BadRequestError("A text holds the character NUL, which cannot be stored.")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise BadRequestError("A text holds half of a surrogate pair, which is not a character.")
