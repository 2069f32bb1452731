"""Freezes and maintenance windows as they are configured, and the calendar that they make. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from actions.calendar import Opening, Period, Window, first_opening
from actions.policy import Scope
from actions.ports import Decidable
from bot.timetable import Timetable


class ScopedWindow(Window, Protocol):
    """A window that is for some actions and not for others."""

    @property
    def scope(self) -> Scope:
        """Which actions it is for."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurringWindow:
    """Begins by a timetable, and lasts: in elapsed time, whatever clocks show meanwhile."""

    name: str
    scope: Scope
    timetable: Timetable
    lasts: timedelta

    @property
    def zone(self) -> tzinfo:
        """See `Window.zone`."""
        return self.timetable.zone

    def periods(self, since: datetime) -> Iterator[Period]:
        """See `Window.periods`."""
        return (Period(starts=at, ends=at + self.lasts) for at in self.timetable.fires(since - self.lasts))


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleWindow:
    """Comes once."""

    name: str
    scope: Scope
    period: Period
    zone: tzinfo

    def periods(self, since: datetime) -> Iterator[Period]:
        """See `Window.periods`."""
        return iter((self.period,) if self.period.ends > since else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredCalendar:
    """`actions.calendar.Calendar` over the configuration file."""

    freezes: tuple[ScopedWindow, ...] = ()
    maintenance: tuple[ScopedWindow, ...] = ()

    def opening(self, action: Decidable, at: datetime) -> Opening:
        """See `Calendar.opening`."""
        return first_opening(at, freezes=fitting(self.freezes, action), maintenance=fitting(self.maintenance, action))


def fitting(windows: tuple[ScopedWindow, ...], action: Decidable) -> tuple[ScopedWindow, ...]:
    """Return those that are for *action*."""
    return tuple(one for one in windows if one.scope.covers(action.subject, action.action_name, action.risk))
