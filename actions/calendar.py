"""When actions may run: freezes during which they may not, maintenance windows outside which they may not. Pure."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile
from typing import Final, Protocol

from actions.ports import Decidable

LOOKED_AHEAD: Final = timedelta(days=366)
"""How far a calendar looks for the moment at which an action may run."""
ALWAYS: Final = datetime.min.replace(tzinfo=UTC)
"""Where a period begins that has no beginning."""
ENDLESS: Final = datetime.max.replace(tzinfo=UTC)
"""Where a period ends that has no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """When an action may run."""

    starts: datetime | None
    """In UTC; None: not within a year."""
    why: str = ""
    """What keeps it from running before, in words that people can read; empty where nothing does."""


class Calendar(Protocol):
    """Says when actions may run."""

    def opening(self, action: Decidable, at: datetime) -> Opening:
        """Return the first moment from *at* on, *at* included, at which *action* may run. Asks no clock."""
        ...


class AlwaysOpen:
    """`Calendar` without freezes and maintenance windows."""

    def opening(self, action: Decidable, at: datetime) -> Opening:  # noqa: ARG002 - the port's signature
        """See `Calendar.opening`."""
        return Opening(starts=at.astimezone(UTC))


ALWAYS_OPEN: Final = AlwaysOpen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The time from one moment up to another, which is not in it; both in UTC."""

    starts: datetime
    ends: datetime


class Window(Protocol):
    """A time that is frozen, or for maintenance; it can come once or again and again."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def zone(self) -> tzinfo:
        """The time zone in which people speak of it."""
        ...

    def periods(self, since: datetime) -> Iterator[Period]:
        """Yield its periods that end later than *since*, by their start; they may overlap, and never end."""
        ...


def first_opening(at: datetime, *, freezes: Collection[Window], maintenance: Collection[Window]) -> Opening:
    """Return the first moment from *at* on that is in no freeze and, if there is any maintenance window, in one."""
    moment = at.astimezone(UTC)
    last = moment + LOOKED_AHEAD
    frozen = [_Course(window, moment, last) for window in freezes]
    allowed = [_Course(window, moment, last) for window in maintenance]
    why: dict[str | None, str] = {}  # per freeze the first that was met: what comes every night is named once
    while moment <= last:
        met = [(course, period) for course in frozen if (period := course.covering(moment))]
        if met:
            for course, period in met:
                why.setdefault(course.window.name, _frozen(course.window, period, last))
            moment = max(period.ends for _, period in met)
        elif allowed and not any(course.covering(moment) for course in allowed):
            why.setdefault(None, _outside(maintenance))
            moment = min(course.next_start(moment) for course in allowed)
        else:
            return Opening(starts=moment, why=", ".join(why.values()))
    return Opening(starts=None, why=f"not within a year: {', '.join(why.values())}")


class _Course:
    """One window's periods, those that touch made one, read along as time goes on."""

    def __init__(self, window: Window, since: datetime, last: datetime) -> None:
        self.window = window
        self._periods = _joined(takewhile(lambda period: period.starts <= last, window.periods(since)))
        self._period = next(self._periods, None)

    def covering(self, moment: datetime) -> Period | None:
        period = self._upcoming(moment)
        return period if period is not None and period.starts <= moment else None

    def next_start(self, moment: datetime) -> datetime:
        period = self._upcoming(moment)
        return ENDLESS if period is None else period.starts

    def _upcoming(self, moment: datetime) -> Period | None:
        while self._period is not None and self._period.ends <= moment:
            self._period = next(self._periods, None)
        return self._period


def _joined(periods: Iterable[Period]) -> Iterator[Period]:
    joined: Period | None = None
    for period in periods:
        if joined is None:
            joined = period
        elif period.starts <= joined.ends:
            joined = replace(joined, ends=max(joined.ends, period.ends))
        else:
            yield joined
            joined = period
    if joined is not None:
        yield joined


def _frozen(freeze: Window, period: Period, last: datetime) -> str:
    if period.ends > last:
        return f"freeze `{freeze.name}` lasts longer"
    return f"freeze `{freeze.name}` until {period.ends.astimezone(freeze.zone):%a %Y-%m-%d %H:%M} {freeze.zone}"


def _outside(maintenance: Collection[Window]) -> str:
    names = [f"`{window.name}`" for window in maintenance]
    what = "maintenance window" if len(names) == 1 else "maintenance windows"
    return f"outside the {what} {', '.join(names)}"
