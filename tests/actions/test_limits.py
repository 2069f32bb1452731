"""Limits hold at their number and not before, and the breaker stops where actions fail in a row."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.errors import LimitError
from actions.limits import HOUR, Limits
from actions.models import (
    EVERYTHING,
    ActionProposal,
    ActionRecord,
    ActionStatus,
    Control,
    SafetyMode,
)
from actions.ports import OutboxKind, Store, Transaction
from tests.factories import START, a_proposal
from tests.memory_store import MemoryTransaction, Tables
from tests.storage.scripts import must

A_MOMENT: Final = timedelta(microseconds=1)


def execute(tx: Transaction, scope: str, *, epoch: int = 2, at: datetime = START) -> None:
    tx.lock_control(scope)
    tx.set_control(Control(scope=scope, mode=SafetyMode.EXECUTE, epoch=epoch, changed_by="cli:ann@h", changed_at=at))


def put(tx: Transaction, number: int, **over: object) -> ActionProposal:
    given = {"epoch": 2, "subject_epoch": 2, "target": str(number), **over}
    return must(tx.insert_proposal(a_proposal(source_key=f"test:{number}", **given)))


def begin(tx: Transaction, number: int, *, at: datetime = START, **over: object) -> ActionProposal:
    """Propose an action and have it claimed."""
    proposal = must(tx.move(put(tx, number, **over), ActionStatus.EXECUTING, {"attempts": 1}))
    record = ActionRecord(proposal_id=proposal.id, token=proposal.token, owner="host/1", fence=1, started_at=at)
    tx.save_record(record)
    return proposal


def end(tx: Transaction, proposal: ActionProposal, status: ActionStatus) -> ActionProposal:
    return must(tx.move(must(tx.proposal(proposal.id)), status, {}))


def draft(**over: object) -> ActionProposal:
    return a_proposal(source_key="the next", **{"epoch": 2, "subject_epoch": 2, **over})


class TestProposals:
    LIMITS = Limits(proposals_per_hour=3)

    @pytest.mark.parametrize(("made", "refused"), [(2, False), (3, True), (4, True)])
    async def test_a_source_proposes_so_often_within_an_hour(self, store: Store, made: int, refused: bool) -> None:
        def work(tx: Transaction) -> LimitError | None:
            for number in range(made):
                put(tx, number)
            put(tx, 10, proposed_at=START - HOUR)
            return self.LIMITS.refuse_proposal(tx, draft(), START)

        assert isinstance(await store.write(work), LimitError) == refused

    async def test_another_source_is_not_held_up(self, store: Store) -> None:
        def work(tx: Transaction) -> LimitError | None:
            for number in range(3):
                put(tx, number)
            return self.LIMITS.refuse_proposal(tx, draft(proposed_by="http:grafana"), START)

        assert await store.write(work) is None

    async def test_the_next_is_taken_when_the_refusal_says_so_and_not_before(self, store: Store) -> None:
        def made(tx: Transaction) -> None:
            for number in range(4):
                put(tx, number, proposed_at=START + timedelta(minutes=10 * number))

        await store.write(made)

        async def refused(at: datetime) -> LimitError | None:
            return await store.read(lambda reader: self.LIMITS.refuse_proposal(reader, draft(), at))

        assert str(await refused(START + timedelta(seconds=2_000))) == (
            "That is the limit: agent:rules made 3 proposals within the last hour ([limits] proposals_per_hour = 3). "
            "The next one is taken at 2026-03-01 13:10:00 UTC."
        )
        assert await refused(START + timedelta(minutes=70) - A_MOMENT) is not None
        assert await refused(START + timedelta(minutes=70)) is None


class TestOpenCards:
    LIMITS = Limits(open_cards=3)

    @pytest.mark.parametrize(("waiting", "refused"), [(2, False), (3, True), (4, True)])
    async def test_so_many_wait_for_one_subject(self, store: Store, waiting: int, refused: bool) -> None:
        def work(tx: Transaction) -> LimitError | None:
            for number in range(10, 15):
                put(tx, number, epoch=1)
            for number in range(waiting):
                put(tx, number, status=list(ActionStatus)[number % 3])
            put(tx, 20, status=ActionStatus.CANCELLED)
            put(tx, 21, subject="other")
            return self.LIMITS.refuse_proposal(tx, draft(), START)

        assert isinstance(await store.write(work), LimitError) == refused

    async def test_the_refusal_says_when_there_is_room(self, store: Store) -> None:
        def work(tx: Transaction) -> LimitError | None:
            for number in range(3):
                put(tx, number, expires_at=START + timedelta(minutes=30 + number))
            return self.LIMITS.refuse_proposal(tx, draft(), START)

        assert str(await store.write(work)) == (
            "That is the limit: 3 actions on etcd wait to be decided or to run ([limits] open_cards = 3). "
            "Decide or cancel some of them; the next one expires at 2026-03-01 12:30:00 UTC."
        )

    async def test_what_takes_the_place_of_another_is_not_one_more(self, store: Store) -> None:
        def work(tx: Transaction) -> list[LimitError | None]:
            old = [put(tx, number) for number in range(3)]
            drafts = [draft(supersedes=old[0].id), draft(target="1"), draft(target="1", action_name="etcd.other")]
            return [self.LIMITS.refuse_proposal(tx, one, START) for one in drafts]

        edited, again, another = await store.write(work)
        assert (edited, again) == (None, None)
        assert another is not None


class TestRuns:
    LIMITS = Limits(actions_per_hour=3)

    @pytest.mark.parametrize(("began", "refused"), [(2, False), (3, True), (4, True)])
    async def test_so_many_begin_on_one_subject_within_an_hour(self, store: Store, began: int, refused: bool) -> None:
        def work(tx: Transaction) -> LimitError | None:
            for number in range(began):
                begin(tx, number)
            begin(tx, 10, subject="other")
            begin(tx, 11, at=START - HOUR)
            return self.LIMITS.refuse_run(tx, put(tx, 12), START)

        assert isinstance(await store.write(work), LimitError) == refused

    async def test_the_next_begins_when_the_refusal_says_so_and_not_before(self, store: Store) -> None:
        def begun(tx: Transaction) -> ActionProposal:
            for number in range(4):
                begin(tx, number, at=START + timedelta(minutes=10 * number))
            return put(tx, 10)

        proposal = await store.write(begun)

        async def refused(at: datetime) -> LimitError | None:
            return await store.read(lambda reader: self.LIMITS.refuse_run(reader, proposal, at))

        assert str(await refused(START + timedelta(minutes=40))) == (
            "That is the limit: 3 actions on etcd began within the last hour ([limits] actions_per_hour = 3). "
            "The next one may begin at 2026-03-01 13:10:00 UTC."
        )
        assert await refused(START + timedelta(minutes=70) - A_MOMENT) is not None
        assert await refused(START + timedelta(minutes=70)) is None

    async def test_break_glass_is_not_held_up(self, store: Store) -> None:
        def work(tx: Transaction) -> LimitError | None:
            for number in range(3):
                begin(tx, number)
            return self.LIMITS.refuse_run(tx, put(tx, 10, break_glass="the site is down"), START)

        assert await store.write(work) is None


async def test_without_a_number_there_is_no_limit(store: Store) -> None:
    def work(tx: Transaction) -> list[object]:
        execute(tx, EVERYTHING)
        execute(tx, "etcd")
        for number in range(100):
            put(tx, number)
        failed = [end(tx, begin(tx, number), ActionStatus.FAILED) for number in range(100, 200)]
        none = Limits()
        return [none.refuse_proposal(tx, draft(), START), none.refuse_run(tx, put(tx, 300), START)] + [
            none.trip(tx, one, START) for one in failed
        ]

    assert set(await store.write(work)) == {None}


class TestBreaker:
    LIMITS = Limits(failures_in_a_row=3)

    @pytest.mark.parametrize(("failures", "stopped"), [(2, False), (3, True)])
    async def test_so_many_failures_in_a_row_stop_the_subject(self, store: Store, failures: int, stopped: bool) -> None:
        def work(tx: Transaction) -> Control | None:
            execute(tx, EVERYTHING)
            execute(tx, "etcd")
            end(tx, begin(tx, 100), ActionStatus.COMPLETED)
            tripped = [
                self.LIMITS.trip(tx, end(tx, begin(tx, number), ActionStatus.FAILED), START + HOUR)
                for number in range(failures)
            ]
            return tripped[-1]

        tripped = await store.write(work)

        control = await store.read(lambda reader: reader.control("etcd"))
        everything = await store.read(lambda reader: reader.control(EVERYTHING))
        assert (everything.mode, everything.epoch) == (SafetyMode.EXECUTE, 2)
        if not stopped:
            assert tripped is None
            assert (control.mode, control.epoch) == (SafetyMode.EXECUTE, 2)
            return
        assert tripped == control
        assert (control.mode, control.epoch, control.changed_by) == (SafetyMode.OBSERVE, 3, "system:breaker")
        assert control.reason == "3 actions in a row failed: 2, 3, 4"
        [event] = await store.read(lambda reader: reader.audit())
        assert (event.event, event.actor, event.at) == ("mode_change", "system:breaker", START + HOUR)
        assert event.data["row"] == control.row_digest()
        [item] = await store.read(lambda reader: reader.outbox_due(START + HOUR, 10))
        assert (item.kind, item.ref) == (OutboxKind.ANNOUNCEMENT, str(event.seq))

    async def test_an_unknown_outcome_counts_and_is_named(self, store: Store) -> None:
        def work(tx: Transaction) -> Control | None:
            execute(tx, EVERYTHING)
            execute(tx, "etcd")
            ends = (ActionStatus.FAILED, ActionStatus.UNKNOWN, ActionStatus.FAILED)
            return [self.LIMITS.trip(tx, end(tx, begin(tx, n), how), START) for n, how in enumerate(ends)][-1]

        assert must(await store.write(work)).reason == "3 actions in a row failed or are of unknown outcome: 1, 2, 3"

    async def test_what_was_attempted_before_the_last_change_of_mode_does_not_count(self, store: Store) -> None:
        def work(tx: Transaction) -> list[Control | None]:
            execute(tx, EVERYTHING)
            execute(tx, "etcd")
            tripped = [self.LIMITS.trip(tx, end(tx, begin(tx, n), ActionStatus.FAILED), START) for n in range(2)]
            late = begin(tx, 3)
            execute(tx, EVERYTHING, epoch=3)
            tripped.append(self.LIMITS.trip(tx, end(tx, late, ActionStatus.FAILED), START))
            tripped += [
                self.LIMITS.trip(tx, end(tx, begin(tx, n, epoch=3), ActionStatus.FAILED), START) for n in (4, 5)
            ]
            return tripped

        assert set(await store.write(work)) == {None}


Event = tuple[Literal["begin", "succeed", "fail", "lose", "find", "mode"], int]
EVENTS = st.tuples(
    st.sampled_from(["begin", "begin", "begin", "succeed", "fail", "fail", "lose", "find", "mode"]), st.integers(0, 5)
)


class Oracle:
    """The rule once more, over a list: the last of one epoch that ended, in the order of their beginnings."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.epoch = 2
        self.outcomes: list[str] = []
        self.trips = 0

    def begin(self) -> None:
        self.outcomes.append("runs")

    def change(self) -> None:
        self.epoch += 1
        self.outcomes = []

    def end(self, index: int, outcome: str) -> None:
        self.outcomes[index] = outcome
        ended = [one for one in self.outcomes if one != "runs"][-self.most :]
        if outcome != "good" and ended == ["bad"] * self.most:
            self.trips += 1
            self.change()


class Subject:
    """The breaker over a store, and what the oracle says of the same."""

    def __init__(self, most: int) -> None:
        self.limits = Limits(failures_in_a_row=most)
        self.oracle = Oracle(most)
        self.tx = MemoryTransaction(Tables())
        execute(self.tx, EVERYTHING)
        execute(self.tx, "etcd")
        self.now = START
        self.begun: list[ActionProposal] = []
        self.count = 0

    def take(self, event: Event) -> None:
        kind, index = event
        self.now += timedelta(seconds=1)
        match kind:
            case "begin":
                self.count += 1
                epoch = self.tx.control("etcd").epoch
                self.begun.append(begin(self.tx, self.count, at=self.now, subject_epoch=epoch))
                self.oracle.begin()
            case "mode":
                execute(self.tx, "etcd", epoch=self.tx.control("etcd").epoch + 1, at=self.now)
                self.begun = []
                self.oracle.change()
            case "find":
                self._move(index, ActionStatus.UNKNOWN, ActionStatus.COMPLETED, "good")
            case "succeed":
                self._move(index, ActionStatus.EXECUTING, ActionStatus.COMPLETED, "good")
            case "fail":
                self._move(index, ActionStatus.EXECUTING, ActionStatus.FAILED, "bad")
            case "lose":
                self._move(index, ActionStatus.EXECUTING, ActionStatus.UNKNOWN, "bad")

    def _move(self, index: int, source: ActionStatus, to: ActionStatus, outcome: str) -> None:
        fitting = [n for n, one in enumerate(self.begun) if must(self.tx.proposal(one.id)).status is source]
        if not fitting:
            return
        number = fitting[index % len(fitting)]
        ended = end(self.tx, self.begun[number], to)
        self.oracle.end(number, outcome)
        if to is ActionStatus.COMPLETED:
            return
        if self.limits.trip(self.tx, ended, self.now) is not None:
            self.begun = []
            current = self.tx.control("etcd")
            self.tx.set_control(replace(current, mode=SafetyMode.EXECUTE))


@given(most=st.integers(1, 4), events=st.lists(EVENTS, max_size=40))
def test_the_breaker_trips_when_a_small_model_says_so_and_only_then(most: int, events: list[Event]) -> None:
    subject = Subject(most)

    for event in events:
        subject.take(event)

        trips = [one for one in subject.tx.audit() if one.event == "mode_change"]
        assert len(trips) == subject.oracle.trips
        assert subject.tx.control("etcd").epoch == subject.oracle.epoch
