"""Cursor pagination as Slack does it: an opaque cursor that names the next item, not its position."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from bot.workspace.errors import RefusedError

Item = TypeVar("Item")


def page(
    items: Sequence[Item], *, key: Callable[[Item], str], cursor: str | None, limit: int
) -> tuple[list[Item], str]:
    """Return at most *limit* items from the one that *cursor* names, and the cursor of what follows (empty at the end).

    Raises:
        RefusedError: ``invalid_cursor``: not one of ours, or the item it names is gone.
    """
    start = 0 if cursor is None else [key(item) for item in items].index(_known(cursor, items, key))
    end = start + limit
    following = base64.b64encode(f"next:{key(items[end])}".encode()).decode() if end < len(items) else ""
    return list(items[start:end]), following


def _known(cursor: str, items: Sequence[Item], key: Callable[[Item], str]) -> str:
    try:
        kind, _, name = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as unreadable:
        raise RefusedError("invalid_cursor") from unreadable
    if kind != "next" or all(key(item) != name for item in items):
        raise RefusedError("invalid_cursor")
    return name
