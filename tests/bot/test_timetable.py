from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.timetable import Timetable, cron, daily

FIRST, LAST = datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2035-01-01")
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Europe/London",
    "Asia/Kolkata",
    "America/Santiago",
)


def fires(table: Timetable, since: datetime, until: datetime) -> list[datetime]:
    found = []
    while (at := table.after(since)) is not None and at < until:
        found.append(at)
        since = at
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", ["00:30", "02:30"])
def test_a_daily_time_fires_once_on_every_day_of_sixteen_years(zone: str, at: str) -> None:
    where = ZoneInfo(zone)
    first, last = datetime(2020, 1, 1, tzinfo=where), datetime(2036, 1, 1, tzinfo=where)

    found = fires(daily(at, where), first.astimezone(UTC) - timedelta(seconds=1), last.astimezone(UTC))

    days = Counter(moment.astimezone(where).date() for moment in found)
    assert set(days.values()) == {1}
    assert len(days) == (last.date() - first.date()).days


def test_in_a_gap_it_fires_after_it_and_in_a_repeated_hour_the_first_time() -> None:
    table = daily("02:30", ZoneInfo("Europe/Berlin"))

    assert table.after(datetime(2026, 3, 28, 12, tzinfo=UTC)) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert table.after(datetime(2026, 10, 24, 12, tzinfo=UTC)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert table.after(datetime(2026, 10, 25, 0, 30, tzinfo=UTC)) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "then"),
    [
        ("0 9 * * 1", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("0 9 * * mon-fri", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("0 9 * * 7", datetime(2026, 3, 8, 9, tzinfo=UTC)),
        ("*/20 * * * *", datetime(2026, 3, 1, 12, 20, tzinfo=UTC)),
        ("5-10/5 13,14 * * *", datetime(2026, 3, 1, 13, 5, tzinfo=UTC)),
        ("0 0 1 jan *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("0 0 13 * fri", datetime(2026, 3, 6, tzinfo=UTC)),
    ],
)
def test_cron_means_what_cron_means(expression: str, then: datetime) -> None:
    assert cron(expression, UTC).after(datetime(2026, 3, 1, 12, tzinfo=UTC)) == then


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *",
     "a * * * *", "* * * * monday", "0 0 31 feb *", "1,,2 * * * *"],
)  # fmt: skip
def test_other_expressions_are_refused(expression: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any text will do
        cron(expression, UTC)


def test_what_a_gap_before_midnight_delays_comes_in_order_and_once() -> None:
    # In Nuuk the last hour of 30 March 2024 is skipped: 23:40 there is 00:40 of the next day, which comes anyway.
    table, before = cron("10,40 0,23 * * *", ZoneInfo("America/Nuuk")), datetime(2024, 3, 30, 12, tzinfo=UTC)

    found = islice(table.fires(before), 6)

    assert [f"{moment.astimezone(table.zone):%d %H:%M}" for moment in found] == [
        *("31 00:10", "31 00:40", "31 23:10", "31 23:40", "01 00:10", "01 00:40")
    ]


@given(
    at=st.times().map(lambda time: f"{time:%H:%M}"),
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(FIRST, LAST),
)
def test_the_latest_fire_is_the_one_after_which_there_is_none(at: str, zone: str, moment: datetime) -> None:
    table, now = daily(at, ZoneInfo(zone)), moment.replace(tzinfo=UTC)

    latest = table.latest(now - timedelta(days=2), now)

    assert latest is not None
    assert latest <= now
    following = table.after(latest)
    assert following is not None
    assert following > now
