"""Windows, digests and deadlines on the days on which clocks change, minute by minute around the change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import cycle
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actions.calendar import Opening
from actions.errors import ExpiredError
from actions.models import ActionProposal, ActionStatus
from actions.safety import is_overdue
from bot.digest import CATCH_UP, DigestScheduler
from bot.reach import build_calendar
from bot.settings import DigestSettings, Settings
from tests.bot.test_digest import Parts, ordered
from tests.bot.wall_clocks import CHANGES, MINUTE, WallClock, wall_clock
from tests.factories import FixedClock, a_proposal
from tests.memory_store import MemoryStore
from tests.rig import ANN, MemoryKillFiles, Rig

ZONES: Final = tuple(sorted({zone for _, zone in CHANGES.values()}))
AROUND: Final = timedelta(hours=3)
LASTS: Final = (1, 30, 59, 60, 61, 90, 600)
ACTION: Final = a_proposal()
LOOKED_AT: Final = timedelta(days=8)
"""How long after a change the plain tables are whole."""

every_change = pytest.mark.parametrize(("change", "zone"), CHANGES.values(), ids=CHANGES)


def times_around(clock: WallClock, change: datetime) -> list[time]:
    """Return every quarter of an hour that clocks show, skip or repeat within two hours of the change."""
    before = clock.shown[clock.number(change) - 1]
    return [(before + MINUTE + timedelta(minutes=15 * number)).time() for number in range(-8, 8)]


def minutes_around(clock: WallClock, change: datetime) -> range:
    return range(clock.number(change - AROUND), clock.number(change + AROUND))


async def stored(rig: Rig, proposal_id: int) -> ActionProposal:
    found = await rig.store.read(lambda reader: reader.proposal(proposal_id))
    assert found is not None
    return found


def windows(at: time, zone: str, lasts: int) -> list[dict[str, Any]]:
    cron = f"{at.minute} {at.hour} * * *"
    return [{"name": "w", "cron": cron, "duration": f"{lasts}min", "timezone": zone}]


@every_change
def test_clocks_change_there(change: datetime, zone: str) -> None:
    clock = wall_clock(change, zone)
    here = clock.number(change)

    shift = clock.shown[here] - clock.shown[here - 1] - MINUTE

    assert abs(shift) == timedelta(minutes=30 if zone == "Australia/Lord_Howe" else 60)
    assert clock.shown[here + 1] - clock.shown[here] == MINUTE


@every_change
def test_a_window_is_open_in_exactly_its_minutes(change: datetime, zone: str) -> None:
    clock = wall_clock(change, zone)
    for at, lasts in zip(times_around(clock, change), cycle(LASTS), strict=False):
        mask = clock.covered(clock.fires([at]), lasts)
        within = build_calendar(Settings(maintenance=windows(at, zone, lasts)))
        without = build_calendar(Settings(freezes=windows(at, zone, lasts)))

        for number in minutes_around(clock, change):
            moment = clock.minute(number)
            assert within.opening(ACTION, moment).starts == clock.minute(mask.find(1, number)), (at, lasts, moment)
            assert without.opening(ACTION, moment).starts == clock.minute(mask.find(0, number)), (at, lasts, moment)


def test_a_freeze_of_24_hours_a_day_has_a_hole_on_the_day_of_25() -> None:
    calendar = build_calendar(Settings(freezes=windows(time(0), "Europe/Berlin", 1440)))
    summer, winter = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)

    thawed = calendar.opening(ACTION, summer)

    assert thawed == Opening(
        starts=datetime(2026, 10, 25, 22, 0, tzinfo=UTC), why="freeze `w` until Sun 2026-10-25 23:00 Europe/Berlin"
    )
    assert calendar.opening(ACTION, winter).starts is None


@every_change
def test_a_timetable_fires_once_a_day_whatever_clocks_do(change: datetime, zone: str) -> None:
    clock = wall_clock(change, zone)
    for at in times_around(clock, change):
        timetable = DigestSettings(name="d", at=f"{at:%H:%M}", timezone=zone).timetable
        fires = [clock.minute(number) for number in clock.fires([at])]
        days = [(fire + MINUTE).astimezone(ZoneInfo(zone)).date() for fire in fires]

        assert len(set(days)) == len(days) == len(clock.days)
        for number in minutes_around(clock, change):
            moment = clock.minute(number)
            assert timetable.after(moment) == next(fire for fire in fires if fire > moment), (at, moment)
            past = [fire for fire in fires if moment - CATCH_UP < fire <= moment]
            assert timetable.latest(moment - CATCH_UP, moment) == (past[-1] if past else None), (at, moment)


@every_change
@pytest.mark.parametrize("at", ["01:45", "02:15"])
async def test_a_digest_is_ordered_once_a_day_by_a_process_that_looks_every_minute(
    change: datetime, zone: str, at: str
) -> None:
    table = wall_clock(change, zone)
    first, last = change - timedelta(hours=14), change + timedelta(hours=34)
    one = DigestSettings(name="daily", at=at, timezone=zone, channel="C0DIGEST")
    clock = FixedClock(first)
    rig = await Rig(MemoryStore(), MemoryKillFiles(), clock).start()
    scheduler = DigestScheduler(Parts(rig, one))

    while clock.now() < last:
        clock.advance(60)
        await scheduler.post_due(one)

    fires = [table.minute(number) for number in table.fires([time.fromisoformat(at)])]
    due = [fire for fire in fires if first < fire <= last]
    orders = await ordered(rig)
    assert [order.fire_at for order in orders] == due
    assert len(due) == 2
    assert not any(order.late for order in orders)


@every_change
async def test_a_proposal_lives_its_hour_to_the_second_whatever_clocks_show(change: datetime, zone: str) -> None:
    table = wall_clock(change, zone)
    for number in range(table.number(change) - 120, table.number(change) + 30, 5):
        clock = FixedClock(table.minute(number))
        rig = await Rig(MemoryStore(), MemoryKillFiles(), clock).start()
        soon, late = [await rig.propose(name) for name in ("soon", "late")]

        clock.advance(3599)
        approved = await rig.executor.approve_proposal(soon, by=ANN)
        clock.advance(1)
        with pytest.raises(ExpiredError):
            await rig.executor.approve_proposal(late, by=ANN)

        expired = await stored(rig, late)
        assert expired.expires_at == table.minute(number + 60)
        assert expired.status is ActionStatus.EXPIRED
        assert approved.approval_expires_at == table.minute(number + 65) - timedelta(seconds=1)


@every_change
def test_a_deadline_is_the_same_moment_by_every_clock(change: datetime, zone: str) -> None:
    table = wall_clock(change, zone)
    proposed = table.number(change) - 30
    proposal = a_proposal(proposed_at=table.minute(proposed), expires_at=table.minute(proposed + 60))

    for number in minutes_around(table, change):
        moment = table.minute(number).astimezone(ZoneInfo(zone))
        assert is_overdue(proposal, moment) == (number >= proposed + 60)


@dataclass(frozen=True)
class Recurring:
    """A window that comes again."""

    zone: str
    minute: int
    hours: frozenset[int]
    weekdays: frozenset[int]
    lasts: int

    def configured(self, name: str) -> dict[str, Any]:
        hours = ",".join(map(str, sorted(self.hours)))
        weekdays = ",".join(str((day + 1) % 7) for day in self.weekdays)
        cron = f"{self.minute} {hours} * * {weekdays}"
        return {"name": name, "cron": cron, "duration": f"{self.lasts}min", "timezone": self.zone}

    def mask(self, change: datetime) -> bytearray:
        clock = wall_clock(change, self.zone)
        return clock.covered(clock.fires([time(hour, self.minute) for hour in self.hours], self.weekdays), self.lasts)


@dataclass(frozen=True)
class Once:
    """A window that comes once, so many minutes of what clocks show from the change of *zone*."""

    zone: str
    begins: int
    shows: int

    def shown(self, change: datetime) -> tuple[datetime, datetime]:
        clock = wall_clock(change, self.zone)
        first = clock.shown[clock.number(change)] + self.begins * MINUTE
        return first, first + self.shows * MINUTE

    def mask(self, change: datetime) -> bytearray:
        clock = wall_clock(change, self.zone)
        first, last = (clock.comes(at) for at in self.shown(change))
        return clock.covered([first], last - first)


Windows = Sequence[Recurring | Once]
ONE_WINDOW: Final = st.one_of(
    st.builds(
        Recurring,
        zone=st.sampled_from(ZONES),
        minute=st.integers(0, 59),
        hours=st.frozensets(st.integers(0, 23) | st.sampled_from([1, 2, 3]), min_size=1, max_size=4),
        weekdays=st.just(frozenset(range(7))) | st.frozensets(st.integers(0, 6), min_size=1),
        lasts=st.integers(1, 3000) | st.sampled_from(LASTS),
    ),
    # Of less than an hour in which clocks are changed there may be nothing left, and that is refused.
    st.builds(Once, zone=st.sampled_from(ZONES), begins=st.integers(-3000, 3000), shows=st.integers(61, 5000)),
)
SOME_WINDOWS: Final = st.lists(ONE_WINDOW, max_size=3)
NIGHTLY: Final = Recurring("Europe/Berlin", 30, frozenset({2}), frozenset(range(7)), 60)


def configured(windows: Windows, change: datetime) -> Iterator[dict[str, Any]]:
    for number, window in enumerate(windows):
        match window:
            case Recurring():
                yield window.configured(f"w{number}")
            case Once():
                first, last = window.shown(change)
                yield {"name": f"w{number}", "from": str(first)[:16], "until": last, "timezone": window.zone}


def any_of(windows: Windows, change: datetime) -> bytearray:
    masks = [window.mask(change) for window in windows]
    return bytearray(map(max, *masks, masks[0])) if masks else bytearray(len(wall_clock(change, ZONES[0]).shown))


@given(
    freezes=SOME_WINDOWS,
    maintenance=SOME_WINDOWS,
    change=st.sampled_from([change for change, _ in CHANGES.values()]),
    seconds=st.integers(-2 * 86_400, 2 * 86_400),
)
@example(freezes=[NIGHTLY], maintenance=[], change=datetime(2026, 3, 29, 1, tzinfo=UTC), seconds=1800)
@example(freezes=[], maintenance=[NIGHTLY], change=datetime(2026, 10, 25, 1, tzinfo=UTC), seconds=0)
def test_an_action_opens_in_the_first_minute_that_clocks_allow(
    freezes: Windows, maintenance: Windows, change: datetime, seconds: int
) -> None:
    at = change + timedelta(seconds=seconds)
    table = wall_clock(change, ZONES[0])
    frozen, allowed = any_of(freezes, change), any_of(maintenance, change)
    whole = range(table.number(at), table.number(change + LOOKED_AT))
    first = next((n for n in whole if not frozen[n] and (allowed[n] or not maintenance)), None)
    calendar = build_calendar(
        Settings(freezes=list(configured(freezes, change)), maintenance=list(configured(maintenance, change)))
    )

    found = calendar.opening(ACTION, at)

    if first is None:
        assert found.starts is None or found.starts >= change + LOOKED_AT
    else:
        assert found.starts == max(at, table.minute(first))
    if found.starts is not None:
        assert calendar.opening(ACTION, found.starts) == Opening(starts=found.starts)
    assert (found.why == "") == (found.starts == at)
