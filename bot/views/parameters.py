"""Parameters, written so that they can be read back exactly, by people and by `read_parameters`.

One line each, `name = value`, the value as JSON in printable ASCII: line breaks, invisible characters and letters of
other scripts are spelled out, so two different values never look the same.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from actions.canonical import Json
from bot.views import blocks
from bot.views.blocks import Block
from bot.views.plain import cut

BLOCK_ID: Final = "parameters"
_NONE: Final = "(no parameters)"
_ROW: Final = re.compile(r'(?P<name>[A-Za-z_][A-Za-z0-9_]*|"(?:[^"\\]|\\.)*") = (?P<value>.+)')
_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BOX: Final = 2_800
_CARD: Final = 4_000
"""Bytes of JSON that the parameters may take in a message, beside everything else that has to fit."""


def render_parameters(parameters: Mapping[str, Json], *, most: int = _CARD) -> list[Block]:
    """Return one block with every parameter; if that takes more than *most* bytes, a visibly cut one."""
    rows = _rows(parameters)
    whole = _block(_boxes(rows))
    if blocks.size(whole) <= most and max(map(len, rows)) <= _BOX:
        return [whole]
    return [_block([cut("\n".join(rows), most // 4, rest="… (cut: does not fit here)")])]


def whole(parameters: Mapping[str, Json], *, most: int) -> Block:
    """Return a block with all parameters, for reading only; beyond *most* characters it is visibly cut."""
    said = cut("\n".join(_rows(parameters)), most)
    return blocks.rich_text(*(blocks.preformatted(said[at : at + _BOX]) for at in range(0, len(said), _BOX)))


def read_parameters(shown: Sequence[Block]) -> dict[str, Any]:
    """Return the parameters that blocks from `render_parameters` show, wherever in *shown* they are.

    Raises:
        ValueError: if they were cut, or are not there.
    """
    boxes = [part for block in shown if block.get("block_id") == BLOCK_ID for part in block["elements"]]
    if not boxes:
        raise ValueError("no parameters are shown")
    rows = [row for box in boxes for row in box["elements"][0]["text"].split("\n")]
    return {} if rows == [_NONE] else dict(map(_read, rows))


def shows(shown: Sequence[Block], parameters: Mapping[str, Json]) -> bool:
    """Return whether *shown* can be read back as exactly these *parameters*."""
    try:
        return spelled(read_parameters(shown)) == spelled(parameters)
    except ValueError:
        return False


def spelled(value: Json) -> str:
    """Return a value as JSON in printable ASCII. NaN is spelled too; it does not read back."""
    return json.dumps(_plain(value), sort_keys=True)


def _rows(parameters: Mapping[str, Json]) -> list[str]:
    return [f"{_name(name)} = {spelled(value)}" for name, value in parameters.items()] or [_NONE]


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)


def _read(row: str) -> tuple[str, Any]:
    found = _ROW.fullmatch(row)
    if not found:
        raise ValueError("a line does not read as a parameter")
    name = found["name"]
    return json.loads(name) if name.startswith('"') else name, json.loads(found["value"], parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _boxes(rows: Iterable[str]) -> list[str]:
    boxes: list[str] = []
    for row in rows:
        if boxes and len(boxes[-1]) + len(row) < _BOX:
            boxes[-1] += f"\n{row}"
        else:
            boxes.append(row)
    return boxes


def _block(boxes: Iterable[str]) -> Block:
    return blocks.rich_text(*map(blocks.preformatted, boxes), block_id=BLOCK_ID)


def _plain(value: Json) -> Any:
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case str():
            return value
        case Sequence():
            return [_plain(item) for item in value]
        case _:
            return value
