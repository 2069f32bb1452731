"""What really happened: every effect in the order in which it began, in a file that all processes append to."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Effect:
    """One change of a target."""

    began: int
    """Nanoseconds of the clock that all processes share."""
    key: str
    owner: str
    proposal_id: int
    rightful: bool
    """Whether the database said, to anybody who asked, that this owner was executing it before it began."""


class Ledger:
    """Appends, in one write each."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, key: str, owner: str, proposal_id: int, *, rightful: bool) -> None:
        """Write down that an effect begins now."""
        os.write(self._file, f"{time.monotonic_ns()} {key} {owner} {proposal_id} {rightful:d}\n".encode())


def effects_in(path: Path) -> list[Effect]:
    """Return what was written down, in that order."""
    lines = (line.split() for line in path.read_text().splitlines()) if path.exists() else ()
    return [
        Effect(began=int(began), key=key, owner=owner, proposal_id=int(proposal_id), rightful=rightful == "1")
        for began, key, owner, proposal_id, rightful in lines
    ]
