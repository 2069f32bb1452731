"""Makes untrusted text safe to show: nothing hidden, nothing that pings or links, cut where everybody sees it."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

CUT: Final = "… (cut)"
EMPTY: Final = "(empty)"
_HEAD: Final = 16
"""How many times its room is read of a text, so that a flood costs nothing; the rest counts as cut."""
_ASCII: Final = re.compile(r"[\n -~]*")
_NAME: Final = re.compile(r"[ -\[\]-~]*")
"""Printable ASCII without the backslash, which begins whatever is spelled out."""
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that count as printable and look like nothing at all."""
_MARKS: Final = frozenset({"Mn", "Me"})
_MOST_MARKS: Final = 3
"""Combining marks that real scripts pile onto one letter; more would paint over neighbouring lines."""
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def line(text: str, most: int, *, rest: str = CUT) -> str:
    """Return prose as one line of at most *most* characters; if it was cut, *rest* says so."""
    head = text[: _HEAD * most]
    return _prose(" ".join(head.split()), most, rest=rest, more=len(head) < len(text))


def passage(text: str, most: int, *, rest: str = CUT, lines: int = 12) -> str:
    """Return prose without blank lines: at most *most* characters in *lines* lines; if cut, *rest* says so."""
    head = text[: _HEAD * most]
    kept = [stripped for row in head.splitlines() if (stripped := " ".join(row.split()))]
    more = len(head) < len(text) or len(kept) > lines
    return _prose("\n".join(kept[:lines]), most, rest=rest, more=more)


def exact(text: str, most: int, *, rest: str = CUT) -> str:
    r"""Return an identifier or value in printable ASCII; whatever else is in it is spelled out, such as `\u202e`.

    Two different texts never look the same, unless both were cut.
    """
    head = text[: most + 1]
    return cut(head if _NAME.fullmatch(head) else map(_spelled, head), most, rest=rest)


def fallback(text: str, most: int) -> str:
    """Return text for the top level of a message, where Slack would otherwise parse mentions and links."""
    inert = text.replace("://", "[:]//")
    whole = inert.translate(_ENTITIES)
    return whole if 0 < len(whole) <= most else cut((char.translate(_ENTITIES) for char in inert), most)


def fits(text: str, most: int) -> bool:
    """Return whether `exact` shows all of *text* in *most* characters."""
    return len(text) <= most and sum(map(len, map(_spelled, text))) <= most


def cut(pieces: Iterable[str], most: int, *, rest: str = CUT) -> str:
    """Join *pieces* up to *most* characters, dropping whole pieces and appending *rest* if they do not fit."""
    if isinstance(pieces, str) and len(pieces) > most:
        return pieces[: max(most - len(rest), 0)] + rest
    kept: list[str] = []
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > most:
            return _shortened(kept, size, most, rest)
    return "".join(kept) if size else EMPTY


def _shortened(kept: list[str], size: int, most: int, rest: str) -> str:
    room = max(most - len(rest), 0)
    while size > room:
        size -= len(kept.pop())
    return "".join(kept) + rest


def _prose(text: str, most: int, *, rest: str, more: bool) -> str:
    head = text[: most + 1]
    pieces = head if _ASCII.fullmatch(head) else _without_tricks(head)
    return cut(pieces, most - len(rest), rest="") + rest if more else cut(pieces, most, rest=rest)


def _without_tricks(text: str) -> Iterator[str]:
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in _MARKS else 0
        seen = char == "\n" or (char.isprintable() and char not in _BLANK and marks <= _MOST_MARKS)
        yield char if seen else _spelled(char)


def _spelled(char: str) -> str:
    if " " <= char <= "~":
        return "\\\\" if char == "\\" else char
    return json.dumps(char)[1:-1]
