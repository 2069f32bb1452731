"""When something is due: cron expressions in a time zone, right on the days on which clocks change. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import takewhile
from typing import Final

_MONTHS: Final = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS: Final = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_NAMES: Final[Mapping[str, Mapping[str, int]]] = {
    "month": {name: number for number, name in enumerate(_MONTHS, start=1)},
    "day of week": {name: number for number, name in enumerate(_DAYS)},
}
_RANGES: Final = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of month": (1, 31),
    "month": (1, 12),
    "day of week": (0, 7),
}
_PART: Final = re.compile(r"(?P<first>\*|[0-9a-z]+)(?:-(?P<last>[0-9a-z]+))?(?:/(?P<step>[0-9]+))?")
_SEARCHED_DAYS: Final = 366 * 8
"""A 29th of February can be eight years away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Wall times in one zone. Each fires once: after the gap if clocks skip it, the first time if they repeat it."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """Sunday is 0."""
    either_day: bool
    """Cron's rule: where both kinds of day are restricted, one of them is enough."""
    zone: tzinfo

    def after(self, moment: datetime) -> datetime | None:
        """Return the first fire time later than *moment*, in UTC; None if there is none within eight years."""
        return next(self.fires(moment), None)

    def latest(self, since: datetime, until: datetime) -> datetime | None:
        """Return the last fire time later than *since* and not later than *until*, in UTC, or None."""
        return max(takewhile(lambda at: at <= until, self.fires(since)), default=None)

    def fires(self, moment: datetime) -> Iterator[datetime]:
        """Yield the fire times later than *moment*, in order, in UTC, up to eight years from then."""
        moment = moment.astimezone(UTC)
        first = moment.astimezone(self.zone).date() - timedelta(days=1)
        late: set[datetime] = set()
        for day in (first + timedelta(days=number) for number in range(_SEARCHED_DAYS)):
            due = late | self._on(day)
            if due:
                # Where clocks skip midnight, what was due before it comes after it, among the next day's.
                midnight = self._moment(day + timedelta(days=1), 0, 0)
                late = {at for at in due if at >= midnight}
                yield from sorted(at for at in due - late if at > moment)

    def _on(self, day: date) -> set[datetime]:
        if not self._includes(day):
            return set()
        return {self._moment(day, hour, minute) for hour in self.hours for minute in self.minutes}

    def _moment(self, day: date, hour: int, minute: int) -> datetime:
        return datetime.combine(day, time(hour, minute), self.zone).astimezone(UTC)

    def _includes(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.either_day else by_date and by_weekday


def daily(at: str, zone: tzinfo) -> Timetable:
    """Return the timetable of every day at *at*, such as `09:00`. Raises `ValueError`."""
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", at)
    if found is None:
        raise ValueError(f"{at!r} is not a time of day such as 09:00")
    return cron(f"{int(found[2])} {int(found[1])} * * *", zone)


def cron(expression: str, zone: tzinfo) -> Timetable:
    """Return the timetable of a five-field cron expression. Sunday is 0 or 7. Raises `ValueError` naming the field."""
    fields = expression.lower().split()
    if len(fields) != len(_RANGES):
        raise ValueError(f"{expression!r} has {len(fields)} fields; cron has five: {', '.join(_RANGES)}")
    minutes, hours, days, months, weekdays = (_numbers(name, text) for name, text in zip(_RANGES, fields, strict=True))
    made = Timetable(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(number % 7 for number in weekdays),
        either_day=not (fields[2].startswith("*") or fields[4].startswith("*")),
        zone=zone,
    )
    if made.after(datetime(2024, 1, 1, tzinfo=UTC)) is None:
        raise ValueError(f"{expression!r} never comes")
    return made


def _numbers(name: str, text: str) -> frozenset[int]:
    return frozenset(number for part in text.split(",") for number in _range(name, part))


def _range(name: str, part: str) -> range:
    lowest, highest = _RANGES[name]
    found = _PART.fullmatch(part)
    if found is None:
        raise ValueError(f"the {name} {part!r} cannot be read")
    step = int(found["step"] or 1)
    if found["first"] == "*":
        first, last = lowest, highest
    else:
        first = _number(name, found["first"])
        last = _number(name, found["last"]) if found["last"] else (highest if found["step"] else first)
    if step == 0 or not lowest <= first <= last <= highest:
        raise ValueError(f"the {name} {part!r} is not within {lowest}-{highest}")
    return range(first, last + 1, step)


def _number(name: str, word: str) -> int:
    if word.isdigit():
        return int(word)
    try:
        return _NAMES[name][word]
    except KeyError:
        raise ValueError(f"the {name} {word!r} is unknown") from None
