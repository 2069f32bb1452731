"""What the targets of pending proposals looked like last, so that a click can be compared with it without waiting."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from actions.canonical import Json
from actions.models import ActionProposal
from actions.registry import Preview

KNOWN_FOR: Final = timedelta(seconds=60)
"""How old a reading may be that a click is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A target, read for one proposal after it was put up for decision."""

    preview: Preview
    read_at: datetime
    """When the target had answered."""
    drift: str = ""
    """What differs from what the proposal rests on, as `name: old → new`; empty if nothing does."""

    def is_fresh(self, now: datetime) -> bool:
        """Return whether a click may still be compared with it."""
        return now - self.read_at <= KNOWN_FOR


class Readings:
    """The last reading of each proposal. Kept by one process, for a minute each."""

    def __init__(self) -> None:
        self._last: dict[int, Reading] = {}

    def keep(self, proposal: ActionProposal, preview: Preview, at: datetime) -> Reading:
        """Remember what was read for *proposal*, and return it with what has changed since it was validated."""
        reading = Reading(preview=preview, read_at=at, drift=drift_of(proposal.pins, preview.pins))
        self._last = {number: one for number, one in self._last.items() if one.is_fresh(at)}
        self._last[proposal.id] = reading
        return reading

    def last(self, proposal_id: int, now: datetime) -> Reading | None:
        """Return the last reading, or None if there is none that is fresh."""
        found = self._last.get(proposal_id)
        return found if found is not None and found.is_fresh(now) else None


def drift_of(stored: Mapping[str, Json], now: Mapping[str, Json]) -> str:
    """Return what differs, as `name: old → new`, or an empty text."""
    names = sorted(stored.keys() | now.keys())
    changed = [f"{n}: {_short(stored.get(n))} → {_short(now.get(n))}" for n in names if stored.get(n) != now.get(n)]
    return ", ".join(changed)


def _short(value: Json) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
