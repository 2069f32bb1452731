"""A witness outside the database: a file to which checkpoints of the audit log are only ever added."""

import asyncio
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from actions.models import Checkpoint
from storage.folders import sync_folder

_OURS_ALONE: Final = 0o600
_LINE: Final = re.compile(r"audit checkpoint seq=(\d+) count=(\d+) head=([0-9a-f]{64}) at=(\S+)")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Testimony:
    """What a witness file says."""

    checkpoints: tuple[Checkpoint, ...]
    problems: tuple[str, ...]
    """Lines that say nothing, such as one torn by a power cut; for people to read."""


class WitnessFile:
    """Keeps checkpoints in one file, one a line, each on the disk before `keep` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"file:{path}"

    async def keep(self, checkpoint: Checkpoint) -> None:
        """Add a line. Raises `OSError` if it cannot be made durable."""
        await asyncio.to_thread(self.append, checkpoint)

    def append(self, checkpoint: Checkpoint) -> None:
        """See `keep`; blocks."""
        is_new = not self._path.exists()
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _OURS_ALONE)
        try:
            # A line torn by a power cut must not swallow this one.
            start = "" if _ends_a_line(file) else "\n"
            _write_all(file, f"{start}{checkpoint.line()}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:
            sync_folder(self._path.parent)

    def read(self) -> Testimony:
        """Return what it says, torn lines left out and told. Blocks; raises `OSError` if it cannot be read."""
        return read_testimony(self._path.read_text(encoding="utf-8", errors="replace"))

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return what it says, and log what it does not. Blocks; raises `OSError` if it cannot be read."""
        testimony = self.read()
        for problem in testimony.problems:
            log.warning("%s: %s", self._path, problem)
        return testimony.checkpoints


def read_testimony(text: str) -> Testimony:
    """Return the checkpoints whose lines stand in *text*: a witness file, or an export of the channel."""
    lines = text.splitlines()
    found = [_checkpoint(line) for line in lines]
    return Testimony(
        checkpoints=tuple(checkpoint for checkpoint in found if checkpoint is not None),
        problems=tuple(_problems(lines, found)),
    )


def _problems(lines: list[str], found: list[Checkpoint | None]) -> Iterator[str]:
    for number, (line, checkpoint) in enumerate(zip(lines, found, strict=True), start=1):
        if checkpoint is None and line.strip():
            where = "The last line is torn, as after a power cut" if number == len(lines) else "It says nothing"
            yield f"Line {number} of the witness is no checkpoint: {line[:80]!r}. {where}; it is left out."


def _checkpoint(line: str) -> Checkpoint | None:
    match = _LINE.search(line)
    if match is None:
        return None
    seq, count, head, at = match.groups()
    try:
        return Checkpoint(seq=int(seq), head=head, count=int(count), at=datetime.fromisoformat(at))
    except ValueError:
        return None


def _ends_a_line(file: int) -> bool:
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"


def _write_all(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
