"""What commands print: text for people, JSON for programs, remarks beside it on the error stream."""

import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

import orjson

from bot.views.plain import exact, line, passage

_GAP: Final = "  "
_LONGEST: Final = 10_000


def say(text: str = "") -> None:
    """Print one line of the answer. What came from outside must have passed `clean`, `whole` or `literal`."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Print a remark that is not part of the answer, such as an error."""
    sys.stderr.write(f"operator: {whole(text)}\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_json_line(value: Any) -> None:
    """Print one JSON document on one line."""
    sys.stdout.write(orjson.dumps(value).decode() + "\n")


def clean(text: str) -> str:
    """Return text from outside as one line that cannot move the cursor, change colours or hide anything."""
    return line(text, _LONGEST) if text.strip() else ""


def whole(text: str) -> str:
    """Return text from outside with its lines, otherwise as `clean` does."""
    return passage(text, _LONGEST, lines=1_000) if text.strip() else ""


def literal(text: str) -> str:
    """Return an identifier from outside in printable ASCII, so that two different ones never look the same."""
    return exact(text, _LONGEST) if text else ""


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns; on a terminal the last one is cut, visibly, where the line ends."""
    widths = [max(map(_width, column)) for column in zip(headings, *rows, strict=True)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in (headings, *rows):
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        say(_cut(_GAP.join(padded).rstrip(), room))


def _cut(text: str, room: int | None) -> str:
    if room is None or _width(text) <= room:
        return text
    while _width(text) > room - 1:
        text = text[:-1]
    return f"{text}…"


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
