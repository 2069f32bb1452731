"""What was asked for."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured, and where."""

    folder: Path
    """On the disk whose commits count; empty to begin with."""
    bytecode: Path
    """Where processes of ours find their modules compiled, as `pip install` leaves them."""
    rounds: int = 7
    full: bool = False
    """Also what takes many minutes."""
    scale: float = 1.0
    """For tests of the benchmark itself: what part of everything is done."""

    def many(self, count: int, *, least: int = 1) -> int:
        """Return how many to do of what is *count* in a whole run."""
        return max(least, round(count * self.scale))

    def within(self, folder: Path) -> "Plan":
        """Return the same in another folder."""
        return replace(self, folder=folder)
