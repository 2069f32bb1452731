"""Break-glass and its review, the abort window of high risk, and times at which nothing may run."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from actions.calendar import Opening
from actions.dispatcher import Dispatcher
from actions.errors import (
    AlreadyDecidedError,
    BadRequestError,
    ConflictError,
    KilledError,
    NotAuthorizedError,
    NotReadyError,
    StaleError,
)
from actions.models import Actor, Caller, Verb, Via
from actions.policy import DEFAULT_APPROVALS, ConfiguredPolicy, Grants, Person
from actions.ports import Decidable, OutboxKind, Store
from actions.watch import Watch
from tests.actions.parts import audit, card, delivered, events, outbox, require_sound, status, stored
from tests.factories import FixedClock
from tests.rig import ANN, ANN_CLI, BO, CY, MemoryKillFiles, Rig

GUEST = Caller(actor=Actor.slack("T1", "UGUEST"), via=Via.SLACK)


class TestBreakingTheGlass:
    async def test_one_person_runs_what_needs_two_at_once(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a", action="crush")
        await delivered(rig)

        broken = await rig.executor.break_glass(proposal_id, by=ANN, reason="the site is down")
        ended = await rig.executor.execute_proposal(proposal_id)

        assert (broken.status.value, broken.break_glass, broken.not_before) == ("approved", "the site is down", None)
        assert ended.status.value == "completed"
        (line,) = [event for event in await audit(rig.store, proposal_id) if event.event == "break_glass"]
        assert (line.actor, line.data["break_glass"]) == ("slack:T1/UANN", "the site is down")
        (told,) = await outbox(rig, OutboxKind.ANNOUNCEMENT)
        assert told.ref == str(line.seq)
        (review,) = await rig.store.read(lambda reader: reader.open_reviews(10))
        assert (review.proposal_id, review.person, review.reason) == (proposal_id, "ann", "the site is down")
        await require_sound(rig)

    async def test_somebody_else_closes_the_review_with_a_comment(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        await rig.executor.break_glass(proposal_id, by=ANN, reason="the site is down")
        with pytest.raises(NotReadyError, match="is approved, and cannot be reviewed until it has ended"):
            await rig.executor.close_review(proposal_id, by=BO, comment="fine")
        await rig.executor.execute_proposal(proposal_id)

        for by in (ANN, ANN_CLI):
            with pytest.raises(NotAuthorizedError, match="someone else has to close"):
                await rig.executor.close_review(proposal_id, by=by, comment="fine")
        with pytest.raises(NotAuthorizedError):
            await rig.executor.close_review(proposal_id, by=CY, comment="fine")
        with pytest.raises(BadRequestError, match="needs a comment"):
            await rig.executor.close_review(proposal_id, by=BO, comment="  ")

        closed = await rig.executor.close_review(proposal_id, by=BO, comment="it was right")

        assert (closed.closed_by, closed.comment) == ("slack:T1/UBO", "it was right")
        assert await rig.store.read(lambda reader: reader.open_reviews(10)) == []
        with pytest.raises(ConflictError, match="was closed by bo"):
            await rig.executor.close_review(proposal_id, by=BO, comment="again")
        assert "reviewed" in await events(rig.store, proposal_id)
        await require_sound(rig)

    async def test_without_a_reason_or_the_right_it_does_nothing(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")

        with pytest.raises(BadRequestError, match="needs a reason"):
            await rig.executor.break_glass(proposal_id, by=ANN, reason=" ")
        with pytest.raises(NotAuthorizedError, match="You may not break the glass"):
            await rig.executor.break_glass(proposal_id, by=CY, reason="I want to")

        assert await status(rig.store, proposal_id) == "validated"
        assert await rig.store.read(lambda reader: reader.open_reviews(10)) == []

    async def test_a_copy_of_the_card_breaks_nothing(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        shown = card(await stored(rig.store, proposal_id))
        await rig.executor.break_glass(proposal_id, by=ANN, reason="down", seen=shown)
        other = await rig.propose("b")

        with pytest.raises(StaleError, match="does not belong"):
            await rig.executor.break_glass(other, by=ANN, reason="down", seen=shown)

    async def test_the_kill_switch_stands_above_it(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        await rig.executor.break_glass(proposal_id, by=ANN, reason="down")
        await rig.safety.kill_switch(by=BO, reason="stop")

        with pytest.raises(AlreadyDecidedError):
            await rig.executor.execute_proposal(proposal_id)

        assert rig.target.ledger == {}

    async def test_so_does_a_kill_file(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        rig.kill_files.drop()

        with pytest.raises(KilledError):
            await rig.executor.break_glass(proposal_id, by=ANN, reason="down")

    async def test_who_lost_the_right_meanwhile_runs_nothing(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        await rig.executor.break_glass(proposal_id, by=ANN, reason="down")
        rig.directory.gone.add(str(ANN.actor))

        with pytest.raises(NotAuthorizedError):
            await rig.executor.execute_proposal(proposal_id)

        assert await status(rig.store, proposal_id) == "cancelled(denied_by_policy)"

    async def test_who_approved_before_and_may_not_break_glass_does_not_stand_in_the_way(
        self, store: Store, clock: FixedClock
    ) -> None:
        people = tuple(Person(name=name, slack=frozenset({f"T1/U{name.upper()}"})) for name in ("ann", "bo"))
        everybody = frozenset({"ann", "bo"})
        verbs = {**dict.fromkeys(Verb, everybody), Verb.BREAK_GLASS: frozenset({"ann"})}
        policy = ConfiguredPolicy(Grants(people=people, verbs=verbs, approvals=DEFAULT_APPROVALS))
        rig = await Rig(store, MemoryKillFiles(), clock, policy=policy).start()
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.approve_proposal(proposal_id, by=BO)

        await rig.executor.break_glass(proposal_id, by=ANN, reason="down")

        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "completed"


class TestTheAbortWindow:
    async def abortable(self, rig: Rig) -> int:
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.approve_proposal(proposal_id, by=ANN)
        await rig.executor.approve_proposal(proposal_id, by=BO)
        return proposal_id

    async def test_high_risk_waits_ten_seconds_and_then_runs(self, rig: Rig, clock: FixedClock) -> None:
        proposal_id = await self.abortable(rig)
        approved = await stored(rig.store, proposal_id)
        assert approved.not_before == clock.now() + timedelta(seconds=10)

        clock.advance(9.9)
        with pytest.raises(NotReadyError, match="run before"):
            await rig.executor.execute_proposal(proposal_id)
        clock.advance(0.1)

        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "completed"

    async def test_anybody_may_abort_it(self, rig: Rig) -> None:
        proposal_id = await self.abortable(rig)

        aborted = await rig.executor.abort_proposal(proposal_id, by=CY)

        assert await status(rig.store, proposal_id) == "cancelled(user)"
        assert aborted.detail == "Aborted by slack:T1/UCY"
        with pytest.raises(AlreadyDecidedError):
            await rig.executor.execute_proposal(proposal_id)
        await require_sound(rig)

    async def test_but_no_guest(self, rig: Rig) -> None:
        proposal_id = await self.abortable(rig)
        rig.directory.gone.add(str(GUEST.actor))

        with pytest.raises(NotAuthorizedError):
            await rig.executor.abort_proposal(proposal_id, by=GUEST)

    async def test_and_only_what_is_about_to_begin(self, rig: Rig) -> None:
        waiting, low = await rig.propose("a", action="crush"), await rig.approved("b")

        for proposal_id in (waiting, low):
            with pytest.raises(NotReadyError, match="aborted by everybody"):
                await rig.executor.abort_proposal(proposal_id, by=CY)

    async def test_its_card_counts_down(self, rig: Rig, clock: FixedClock) -> None:
        watch = Watch(store=rig.store, executor=rig.executor, clock=clock, publisher=rig.publisher)
        await rig.approved("b")
        await delivered(rig)
        await watch.count_down()
        assert await outbox(rig, OutboxKind.CARD) == []

        proposal_id = await self.abortable(rig)
        await delivered(rig)
        await watch.count_down()

        assert [item.ref for item in await outbox(rig, OutboxKind.CARD)] == [str(proposal_id)]


@dataclass
class Closed:
    """A calendar that opens at one time for everything, or never."""

    until: datetime | None

    def opening(self, action: Decidable, at: datetime) -> Opening:  # noqa: ARG002 - the port's signature
        if self.until is None:
            return Opening(starts=None, why="freeze `for ever` lasts longer")
        return Opening(starts=max(at, self.until), why="freeze `release`" if at < self.until else "")


class TestTheCalendar:
    async def rig(self, store: Store, clock: FixedClock, hours: float | None) -> Rig:
        until = None if hours is None else clock.now() + timedelta(hours=hours)
        return await Rig(store, MemoryKillFiles(), clock, calendar=Closed(until)).start()

    async def test_what_is_approved_outside_its_window_runs_when_that_opens(
        self, store: Store, clock: FixedClock
    ) -> None:
        rig = await self.rig(store, clock, 9)
        proposal_id = await rig.propose("a")

        approved = await rig.executor.approve_proposal(proposal_id, by=ANN)

        opens = clock.now() + timedelta(hours=9)
        assert (approved.not_before, approved.detail) == (opens, "freeze `release`")
        assert approved.approval_expires_at == opens + timedelta(minutes=5)
        assert approved.expires_at == opens + timedelta(hours=1)
        await Dispatcher(store=store, executor=rig.executor).dispatch()
        clock.advance(timedelta(hours=9).total_seconds() - 1)
        await rig.sweeper.sweep()
        with pytest.raises(NotReadyError):
            await rig.executor.execute_proposal(proposal_id)
        clock.advance(1)
        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "completed"
        await require_sound(rig)

    async def test_it_expires_if_it_cannot_start_in_time_after_that(self, store: Store, clock: FixedClock) -> None:
        rig = await self.rig(store, clock, 9)
        proposal_id = await rig.propose("a")
        await rig.executor.approve_proposal(proposal_id, by=ANN)

        clock.advance(timedelta(hours=9, minutes=5).total_seconds())
        await rig.sweeper.sweep()

        assert await status(rig.store, proposal_id) == "expired"

    async def test_it_can_be_cancelled_until_then(self, store: Store, clock: FixedClock) -> None:
        rig = await self.rig(store, clock, 9)
        proposal_id = await rig.propose("a")
        await rig.executor.approve_proposal(proposal_id, by=ANN)

        await rig.executor.cancel_proposal(proposal_id, by=BO, reason="no longer needed")

        assert await status(rig.store, proposal_id) == "cancelled(user)"

    async def test_what_could_never_run_is_not_approved(self, store: Store, clock: FixedClock) -> None:
        rig = await self.rig(store, clock, None)
        proposal_id = await rig.propose("a")

        with pytest.raises(ConflictError, match="cannot run: freeze `for ever`"):
            await rig.executor.approve_proposal(proposal_id, by=ANN)

        assert await rig.store.read(lambda reader: reader.approvals(proposal_id)) == []

    async def test_breaking_the_glass_waits_for_no_window(self, store: Store, clock: FixedClock) -> None:
        rig = await self.rig(store, clock, 9)
        proposal_id = await rig.propose("a")
        await rig.executor.approve_proposal(proposal_id, by=BO)

        broken = await rig.executor.break_glass(proposal_id, by=ANN, reason="it cannot wait")

        assert broken.not_before is None
        assert (await rig.executor.execute_proposal(proposal_id)).status.value == "completed"
        await require_sound(rig)

    async def test_a_freeze_that_began_after_the_approval_holds_it_back(self, store: Store, clock: FixedClock) -> None:
        calendar = Closed(clock.now())
        rig = await Rig(store, MemoryKillFiles(), clock, calendar=calendar).start()
        proposal_id = await rig.approved("a")
        calendar.until = clock.now() + timedelta(hours=1)

        with pytest.raises(NotReadyError, match="freeze `release`"):
            await rig.executor.execute_proposal(proposal_id)

        assert rig.target.ledger == {}
