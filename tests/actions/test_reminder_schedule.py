"""When people are told: never too often, always once before it is too late, and never afterwards."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from actions.lifecycle import APPROVED, VALIDATED
from actions.models import ActionProposal, Reminder
from actions.ports import Transaction
from actions.reminder_schedule import ANNOUNCED_BEFORE, ReminderSchedule, message_ref, number_of
from tests.factories import START, a_proposal
from tests.memory_store import MemoryStore, MemoryTransaction

MINUTE = timedelta(minutes=1)
lengths = st.integers(60, 7 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
schedules = st.builds(
    ReminderSchedule,
    first=st.integers(60, 7_200).map(lambda seconds: timedelta(seconds=seconds)),
    at_most_every=st.integers(60, 86_400).map(lambda seconds: timedelta(seconds=seconds)),
    warn_before=st.integers(60, 7_200).map(lambda seconds: timedelta(seconds=seconds)),
)


def waiting(life: timedelta = timedelta(hours=1), **over: object) -> ActionProposal:
    return a_proposal(id=1, status=VALIDATED, expires_at=START + life, **over)


def begun(schedule: ReminderSchedule, proposal: ActionProposal, at: datetime) -> tuple[Reminder | None, Transaction]:
    tx = MemoryTransaction(MemoryStore().tables)
    tx.insert_proposal(proposal)
    schedule.begin(tx, proposal, at)
    return tx.reminder(1), tx


def told(schedule: ReminderSchedule, proposal: ActionProposal, at: datetime, late: timedelta) -> Iterator[datetime]:
    """Yield when messages are sent while nobody decides, each *late* after it was due."""
    plan, _ = begun(schedule, proposal, at)
    assert plan is not None
    while (now := plan.due_at + late) < proposal.expires_at:
        yield now
        plan = schedule.after(plan, proposal, now)


@given(schedules, lengths, st.floats(0, 0.99), st.integers(0, 90))
def test_reminders_are_few_and_end_with_one_warning_before_it_expires(
    schedule: ReminderSchedule, life: timedelta, waited: float, seconds_late: int
) -> None:
    proposal, late = waiting(life), timedelta(seconds=seconds_late)
    began = START + life * waited
    warning = schedule.warning(proposal)

    times = list(told(schedule, proposal, began, late))

    assert START < warning < proposal.expires_at
    assert sorted(set(times)) == times
    assert len(times) <= life / min(schedule.first, schedule.at_most_every) + 2
    # A reminder that comes so late that it is time for the warning is the warning.
    warnings = [at for at in times if at >= warning]
    assert len(warnings) <= 1
    assert warnings or max(began, warning) + late >= proposal.expires_at
    assert all(at - began >= min(schedule.first, schedule.at_most_every) for at in times if at < warning)


def test_an_hour_is_reminded_of_twice_and_warned_of_once() -> None:
    times = list(told(ReminderSchedule(), waiting(), START, timedelta(0)))

    assert [(at - START) / MINUTE for at in times] == [10, 30, 50]


def test_pauses_double_until_they_are_as_long_as_they_may_be() -> None:
    times = list(told(ReminderSchedule(), waiting(timedelta(hours=3)), START, timedelta(0)))

    assert [(at - START) / MINUTE for at in times] == [10, 30, 60, 90, 120, 150, 170]


def test_of_a_short_life_only_the_last_fifth_is_warned_of() -> None:
    times = list(told(ReminderSchedule(), waiting(timedelta(minutes=15)), START, timedelta(0)))

    assert [(at - START) / MINUTE for at in times] == [12]


def test_what_can_be_decided_only_late_is_warned_of_at_once() -> None:
    plan, _ = begun(ReminderSchedule(), waiting(), START + timedelta(minutes=55))

    assert plan == Reminder(proposal_id=1, due_at=START + timedelta(minutes=55))


def test_who_is_asleep_when_reminders_are_due_is_told_once_and_not_of_each() -> None:
    times = list(told(ReminderSchedule(), waiting(timedelta(hours=8)), START, timedelta(hours=2)))

    assert [(at - START) / MINUTE for at in times] == [130, 270, 420]


@given(schedules, lengths, st.lists(st.tuples(st.floats(0, 1), st.integers(60, 86_400)), max_size=5))
def test_a_snooze_brings_nothing_forward_and_never_passes_the_warning(
    schedule: ReminderSchedule, life: timedelta, snoozes: list[tuple[float, int]]
) -> None:
    proposal = waiting(life)
    warning = schedule.warning(proposal)
    plan, _ = begun(schedule, proposal, START)
    assert plan is not None
    for part, seconds in sorted(snoozes):
        now = START + life * part
        later = schedule.snoozed(plan, proposal, now + timedelta(seconds=seconds))
        assert plan.due_at <= later.due_at <= max(warning, plan.due_at)
        assert later.sent == plan.sent
        plan = later

    assert list(told(schedule, proposal, START, timedelta(0)))[-1] == warning


def test_after_the_warning_a_snooze_has_nothing_to_put_off() -> None:
    schedule, proposal = ReminderSchedule(), waiting()
    plan = schedule.after(Reminder(proposal_id=1, due_at=START), proposal, schedule.warning(proposal))

    assert plan.due_at == proposal.expires_at
    assert schedule.snoozed(plan, proposal, START + timedelta(hours=9)) == plan


def test_nobody_is_reminded_where_that_is_switched_off() -> None:
    assert begun(ReminderSchedule(enabled=False), waiting(), START)[0] is None


def approved(starts: datetime | None) -> ActionProposal:
    return replace(waiting(timedelta(days=2)), status=APPROVED, not_before=starts, approval_expires_at=starts)


def test_what_starts_later_is_announced_before_even_where_reminders_are_switched_off() -> None:
    starts = START + timedelta(hours=9)
    for schedule in (ReminderSchedule(), ReminderSchedule(enabled=False)):
        plan, _ = begun(schedule, approved(starts), START)
        assert plan == Reminder(proposal_id=1, due_at=starts - ANNOUNCED_BEFORE)
        assert schedule.after(plan, approved(starts), plan.due_at) == Reminder(proposal_id=1, due_at=starts, sent=1)


def test_what_starts_within_minutes_of_its_approval_is_announced_at_once_and_within_seconds_not_at_all() -> None:
    for minutes, due_at in ((3, START), (0.15, None), (1, None)):
        plan, _ = begun(ReminderSchedule(), approved(START + minutes * MINUTE), START)
        assert (plan and plan.due_at) == due_at
    assert begun(ReminderSchedule(), approved(None), START)[0] is None


def test_what_is_approved_and_starts_within_seconds_has_no_plan_any_more() -> None:
    schedule = ReminderSchedule()
    _, tx = begun(schedule, waiting(), START)
    tx.save_reminder(Reminder(proposal_id=1, due_at=START + timedelta(hours=1), sent=2))

    schedule.begin(tx, approved(START + timedelta(seconds=10)), START)

    assert tx.reminder(1) is None
    assert [item.ref for item in tx.outbox_due(START, 9)] == ["1/2"]


def test_numbers_go_on_when_what_was_reminded_of_is_approved_for_later() -> None:
    schedule = ReminderSchedule()
    _, tx = begun(schedule, waiting(), START)
    tx.save_reminder(Reminder(proposal_id=1, due_at=START + timedelta(hours=1), sent=3))

    schedule.begin(tx, approved(START + timedelta(hours=9)), START)

    assert tx.reminder(1) == Reminder(proposal_id=1, due_at=START + timedelta(hours=9) - ANNOUNCED_BEFORE, sent=3)
    assert [item.ref for item in tx.outbox_due(START, 9)] == ["1/3"]


def test_the_night_in_which_clocks_change_is_as_long_as_any_other() -> None:
    for day in (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)):
        for zone in (UTC, ZoneInfo("Europe/Berlin")):
            at = day.astimezone(zone).astimezone(UTC)
            proposal = replace(waiting(), proposed_at=at, expires_at=at + timedelta(hours=1))
            times = told(ReminderSchedule(), proposal, at, timedelta(0))
            assert [(one - day) / MINUTE for one in times] == [10, 30, 50]


def test_a_message_is_known_by_its_proposal_and_number() -> None:
    assert number_of(message_ref(12, 3)) == (12, 3)
