"""What wall clocks show, minute by minute, and what follows for timetables and windows: slow, and plain to see.

It shares no arithmetic with the product: it only ever asks what clocks show at a given UTC minute, and counts minutes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

MINUTE: Final = timedelta(minutes=1)
CHANGES: Final[Mapping[str, tuple[datetime, str]]] = {
    "Berlin goes forward": (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Europe/Berlin"),
    "Berlin goes back": (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), "Europe/Berlin"),
    "New York goes forward": (datetime(2026, 3, 8, 7, 0, tzinfo=UTC), "America/New_York"),
    "New York goes back": (datetime(2026, 11, 1, 6, 0, tzinfo=UTC), "America/New_York"),
    "Lord Howe goes back by half an hour": (datetime(2026, 4, 4, 15, 0, tzinfo=UTC), "Australia/Lord_Howe"),
    "Lord Howe goes forward by half an hour": (datetime(2026, 10, 3, 15, 30, tzinfo=UTC), "Australia/Lord_Howe"),
}
_BEFORE: Final = timedelta(days=7)
_AFTER: Final = timedelta(days=10)


@dataclass(frozen=True)
class WallClock:
    """What the clocks of one zone show in the minutes around a moment."""

    zone: str
    first: datetime
    """The first minute that is looked at."""
    shown: tuple[datetime, ...]
    """Per minute from then on, without a zone."""
    seen: Mapping[datetime, int]
    """Per time shown, the first minute that shows it."""

    @property
    def days(self) -> list[date]:
        """Every day that is shown from its first minute to its last."""
        return sorted({shown.date() for shown in self.shown})[1:-1]

    def number(self, at: datetime) -> int:
        """Return which of the minutes *at* is in."""
        return (at - self.first) // MINUTE

    def minute(self, number: int) -> datetime:
        return self.first + number * MINUTE

    def comes(self, wanted: datetime) -> int:
        """Return the first minute that shows *wanted*; if none does, as many minutes after the last before it."""
        if wanted in self.seen:
            return self.seen[wanted]
        last = max(number for number, shown in enumerate(self.shown) if shown < wanted)
        return last + (wanted - self.shown[last]) // MINUTE

    def fires(self, times: Iterable[time], weekdays: Iterable[int] = range(7)) -> list[int]:
        """Return the minutes at which clocks come to show one of *times*, on days of *weekdays* (Monday is 0)."""
        wanted = set(weekdays)
        return sorted(
            {self.comes(datetime.combine(day, at)) for day in self.days if day.weekday() in wanted for at in set(times)}
        )

    def covered(self, fires: Iterable[int], lasts: int) -> bytearray:
        """Return per minute 1 if a window of *lasts* minutes is open that begins at *fires*, else 0."""
        mask = bytearray(len(self.shown))
        for fire in fires:
            end = min(fire + lasts, len(mask))
            mask[fire:end] = b"\x01" * (end - fire)
        return mask


@cache
def wall_clock(change: datetime, zone: str) -> WallClock:
    """Return what clocks of *zone* show in the days around *change*."""
    first = change - _BEFORE
    where = ZoneInfo(zone)
    shown = tuple(
        (first + number * MINUTE).astimezone(where).replace(tzinfo=None)
        for number in range((_BEFORE + _AFTER) // MINUTE)
    )
    seen: dict[datetime, int] = {}
    for number, at in enumerate(shown):
        seen.setdefault(at, number)
    return WallClock(zone=zone, first=first, shown=shown, seen=seen)
