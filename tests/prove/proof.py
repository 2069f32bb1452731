"""What a harness is: a promise, how often it is tried, and the seeded bugs that it must find before its zero counts."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_EVERY_SECONDS: Final = 10.0


class Progress:
    """Tells on standard error how far a trial is: on one line of a terminal, else now and then."""

    def __init__(self, name: str, total: int, unit: str) -> None:
        self._name = name
        self._total = total
        self._unit = unit
        self._said = time.monotonic()
        self._live = sys.stderr.isatty()

    def at(self, done: int, note: str = "") -> None:
        """Say that *done* of the total are done."""
        now = time.monotonic()
        if not self._live and now - self._said < _EVERY_SECONDS:
            return
        self._said = now
        line = f"{self._name}: {done:,} of {self._total:,} {self._unit}{f', {note}' if note else ''}"
        sys.stderr.write(f"\r\x1b[K{line}" if self._live else f"{line}\n")
        sys.stderr.flush()


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One run of a harness."""

    count: int
    """How many units of the proof's to do; a harness may do a few more to end a round."""
    seed: int
    """Everything random comes from it."""
    folder: Path
    """An empty folder of its own, removed afterwards."""
    progress: Progress


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What a trial did and found."""

    done: int = 0
    violations: list[str] = field(default_factory=list)
    """Each names what was broken and how to see it again."""
    notes: list[str] = field(default_factory=list)
    """What else was counted, so that the zero can be believed: effects, kills, unknowns, what never occurred."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """A harness."""

    name: str
    promise: str
    """One sentence: what zero violations mean."""
    count: int
    unit: str
    run: Callable[[Trial], Outcome]
    bugs: Mapping[str, int]
    """The seeded bugs (`tests.prove.bugs`) that it must find, and within how many units."""
    alone: bool = False
    """It measures times, so nothing else runs beside it."""
