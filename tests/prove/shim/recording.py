"""What the library recorded, as events in their order."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

_HEAD: Final = struct.Struct("=biqI")


class What(IntEnum):
    """What happened; how `handle`, `number` and `text` are to be read."""

    OPENED = 1
    """`text` was opened as `handle`; number: 1 if that created it, plus 2 if it was emptied."""
    WROTE = 2
    """`text` was written to `handle` at `number`."""
    TRUNCATED = 3
    """`handle` was cut, or stretched with zeros, to `number` bytes."""
    SYNCED = 4
    """Everything of `handle` is on the disk."""
    SYNC_FAILED = 5
    """What was not yet on the disk of `handle` may never get there, whatever a later sync says."""
    RENAMED = 6
    """`text` is the old name and the new one, on two lines."""
    UNLINKED = 7
    """The name `text` was removed."""
    MADE_FOLDER = 8
    """`text` is a new folder."""
    MARKED = 9
    """The process said `text`."""
    FAILED = 10
    """The call `text`, of kind `handle` and number `number`, was made to fail."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record."""

    what: What
    handle: int
    number: int
    text: bytes

    @property
    def path(self) -> Path:
        """The text as a path."""
        return Path(self.text.decode())


def events(log: Path) -> Iterator[Event]:
    """Yield what *log* holds."""
    content = memoryview(log.read_bytes())
    at = 0
    while at < len(content):
        kind, handle, number, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        yield Event(What(kind), handle, number, bytes(content[at : at + length]))
        at += length
