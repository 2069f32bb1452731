"""When an action may run, minute by minute against a plain table of minutes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.calendar import ALWAYS, ALWAYS_OPEN, ENDLESS, Opening, Period, first_opening
from tests.factories import START, a_proposal

MINUTE: Final = timedelta(minutes=1)
HORIZON: Final = 300
"""Minutes in which everything generated happens."""


@dataclass(frozen=True)
class Listed:
    """A window of some minutes after START, from each first up to each last."""

    name: str
    minutes: Sequence[tuple[int, int]]
    zone: tzinfo = UTC

    def periods(self, since: datetime) -> Iterator[Period]:
        found = (Period(starts=minute(first), ends=minute(last)) for first, last in sorted(self.minutes))
        return (period for period in found if period.ends > since)


@dataclass(frozen=True)
class Single:
    """A window of one period."""

    name: str
    period: Period
    zone: tzinfo = UTC

    def periods(self, since: datetime) -> Iterator[Period]:
        return iter([self.period] if self.period.ends > since else [])


@dataclass(frozen=True)
class EveryHour:
    """A window of some minutes of every hour, without an end."""

    name: str
    first: int
    lasts: int
    zone: tzinfo = UTC

    def periods(self, since: datetime) -> Iterator[Period]:
        hours = (minute(60 * hour + self.first) for hour in count((since - START) // timedelta(hours=1) - 2))
        found = (Period(starts=at, ends=at + self.lasts * MINUTE) for at in hours)
        return (period for period in found if period.ends > since)


def minute(number: int) -> datetime:
    return START + number * MINUTE


def opened(number: int, *, freezes: Sequence[Listed] = (), maintenance: Sequence[Listed] = ()) -> Opening:
    return first_opening(minute(number), freezes=freezes, maintenance=maintenance)


def in_any(windows: Sequence[Listed], number: int) -> bool:
    return any(first <= number < last for window in windows for first, last in window.minutes)


PAIRS: Final = st.tuples(st.integers(0, HORIZON - 60), st.integers(1, 60)).map(lambda two: (two[0], two[0] + two[1]))
WINDOWS: Final = st.lists(st.lists(PAIRS, max_size=6), max_size=3).map(
    lambda lists: [Listed(f"w{number}", minutes) for number, minutes in enumerate(lists)]
)


@given(freezes=WINDOWS, maintenance=WINDOWS, at=st.integers(0, HORIZON))
def test_it_is_the_first_minute_in_no_freeze_and_in_a_maintenance_window(
    freezes: list[Listed], maintenance: list[Listed], at: int
) -> None:
    free = [
        number
        for number in range(at, max(at, HORIZON) + 1)
        if not in_any(freezes, number) and (not maintenance or in_any(maintenance, number))
    ]

    found = opened(at, freezes=freezes, maintenance=maintenance)

    assert found.starts == (minute(free[0]) if free else None)
    assert (found.why == "") == (found.starts == minute(at))


@given(freezes=WINDOWS, maintenance=WINDOWS, at=st.integers(0, HORIZON))
def test_asked_again_at_that_moment_it_is_now(freezes: list[Listed], maintenance: list[Listed], at: int) -> None:
    found = opened(at, freezes=freezes, maintenance=maintenance)

    if found.starts is not None:
        assert first_opening(found.starts, freezes=freezes, maintenance=maintenance) == Opening(starts=found.starts)


def test_without_windows_it_is_always_now() -> None:
    assert opened(7) == ALWAYS_OPEN.opening(a_proposal(), minute(7)) == Opening(starts=minute(7))


@pytest.mark.parametrize(
    ("minutes", "ends"),
    [([(0, 10)], 10), ([(0, 10), (10, 20)], 20), ([(0, 10), (5, 20), (6, 7)], 20), ([(0, 10), (11, 20)], 10)],
    ids=["one", "adjacent", "overlapping", "a minute apart"],
)
def test_periods_that_touch_are_one_freeze(minutes: list[tuple[int, int]], ends: int) -> None:
    found = opened(5, freezes=[Listed("stop", minutes)])

    assert found == Opening(starts=minute(ends), why=f"freeze `stop` until Sun 2026-03-01 12:{ends} UTC")


def test_a_period_begins_with_its_first_moment_and_ends_before_its_last() -> None:
    freeze, window = Listed("stop", [(10, 20)]), Listed("repair", [(10, 20)])
    instant = timedelta(microseconds=1)

    assert opened(20, freezes=[freeze]).starts == minute(20)
    assert opened(10, maintenance=[window]).starts == minute(10)
    assert opened(20, maintenance=[window]).starts is None
    assert first_opening(minute(10) - instant, freezes=[freeze], maintenance=()).why == ""
    assert first_opening(minute(20) - instant, freezes=[freeze], maintenance=()).starts == minute(20)


def test_everything_that_keeps_it_waiting_is_named_once_and_in_the_zone_of_each() -> None:
    freezes = [
        Listed("black-friday", [(0, 30), (60, 90)], ZoneInfo("Europe/Berlin")),
        Listed("release", [(20, 40)], ZoneInfo("Asia/Kolkata")),
    ]
    maintenance = [Listed("nightly", [(20, 40), (70, 100)]), Listed("noon", [(25, 30)])]

    assert opened(5, freezes=freezes, maintenance=maintenance) == Opening(
        starts=minute(90),
        why=(
            "freeze `black-friday` until Sun 2026-03-01 13:30 Europe/Berlin, "
            "freeze `release` until Sun 2026-03-01 18:10 Asia/Kolkata, "
            "outside the maintenance windows `nightly`, `noon`"
        ),
    )
    assert opened(10, maintenance=maintenance[:1]).why == "outside the maintenance window `nightly`"


def test_a_freeze_without_an_end_is_never_over() -> None:
    stop = Single("stop", Period(starts=ALWAYS, ends=ENDLESS))

    found = first_opening(START, freezes=[stop], maintenance=())

    assert found == Opening(starts=None, why="not within a year: freeze `stop` lasts longer")


@pytest.mark.parametrize(("lasts", "said"), [(60, None), (61, None), (59, minute(59))])
def test_a_freeze_that_begins_again_before_it_is_over_is_never_over(lasts: int, said: datetime | None) -> None:
    found = first_opening(START, freezes=[EveryHour("always", 0, lasts)], maintenance=())

    assert found.starts == said


def test_maintenance_that_lies_within_a_freeze_every_time_never_comes() -> None:
    found = first_opening(START, freezes=[EveryHour("first-half", 0, 30)], maintenance=[EveryHour("ten-past", 10, 20)])

    assert found.starts is None
    assert found.why == (
        "not within a year: freeze `first-half` until Sun 2026-03-01 12:30 UTC, "
        "outside the maintenance window `ten-past`"
    )


@pytest.mark.parametrize(("days", "within"), [(366, True), (367, False)])
def test_it_is_looked_for_within_a_year(days: int, *, within: bool) -> None:
    later = START + timedelta(days=days)

    found = first_opening(START, freezes=(), maintenance=[Single("far", Period(starts=later, ends=later + MINUTE))])

    assert found.starts == (later if within else None)


def test_a_moment_given_in_another_zone_is_the_same_moment() -> None:
    # 02:30 of that night comes twice in Berlin; of the second one Python's own arithmetic there knows nothing.
    second = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    freeze = Single(
        "hour",
        Period(starts=datetime(2026, 10, 25, 1, 0, tzinfo=UTC), ends=datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
        ZoneInfo("Europe/Berlin"),
    )

    found, free = (first_opening(second, freezes=freezes, maintenance=()) for freezes in ([freeze], []))

    assert free.starts == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert free.starts.tzinfo is UTC
    assert found == Opening(
        starts=datetime(2026, 10, 25, 2, 0, tzinfo=UTC), why="freeze `hour` until Sun 2026-10-25 03:00 Europe/Berlin"
    )
