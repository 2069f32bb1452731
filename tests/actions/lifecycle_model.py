"""An independent model of the lifecycle, held against the executor, with the invariants checked after every step."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actions.errors import (
    AlreadyApprovedError,
    AlreadyDecidedError,
    ConflictError,
    ExpiredError,
    NotAuthorizedError,
    NotReadyError,
    ObserveOnlyError,
    OperatorError,
    StaleError,
    TargetBusyError,
)
from actions.models import Caller, SafetyMode
from actions.ports import Store
from tests.factories import FixedClock
from tests.invariants import check
from tests.rig import AGENT, ANN, BO, CY, MemoryKillFiles, Rig

UNDECIDED = {"proposed", "validated"}
PENDING = {*UNDECIDED, "approved"}
IN_FLIGHT = {"executing", "unknown"}
CHOICES = st.integers(0, 9_999)
"""Which of several, and how: two digits each."""
T = TypeVar("T")


@dataclass
class Modelled:
    """What the model knows of one proposal."""

    id: int
    item: str
    mark: str
    high: bool
    proposer: Caller
    expires: datetime
    retry_of: int | None = None
    pin: int = 0
    status: str = "proposed"
    read_at: datetime | None = None
    """When the target was read for it last, and found with the pin `read`."""
    read: int = 0
    approved_by: set[Caller] = field(default_factory=set)
    approval_expires: datetime | None = None
    not_before: datetime | None = None
    broken_by: Caller | None = None
    reviewed: bool = False
    lease_until: datetime | None = None
    happened: bool = False

    @property
    def required(self) -> int:
        return 2 if self.high else 1


CALL = timedelta(seconds=30)
"""How long the actions of the rig may take at most."""
LIFETIME = timedelta(hours=1)
TO_RUN = timedelta(minutes=5)
ABORT = timedelta(seconds=10)
KNOWN_FOR = timedelta(seconds=60)


def must(at: datetime | None) -> datetime:
    assert at is not None
    return at


class Lifecycle(RuleBasedStateMachine):
    """Random people, faults, clocks and kills."""

    fresh: ClassVar[Callable[[], Store]]
    """Gives a store in which there is nothing yet; it may be the same one again."""

    @initialize()
    def begin_in_execute_mode(self) -> None:
        self.runner = asyncio.Runner()
        self.clock = FixedClock()
        self.rig = Rig(type(self).fresh(), MemoryKillFiles(), self.clock)
        self.run(self.rig.start())
        self.mode = "execute"
        self.proposals: list[Modelled] = []
        self.tasks: dict[int, asyncio.Task[Any]] = {}
        self.stored: dict[int, Any] = {}

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        for task in self.tasks.values():
            task.cancel()
        self.run(asyncio.gather(*self.tasks.values(), return_exceptions=True))
        self.run(self.rig.store.write(lambda _: None))  # behind all that was cancelled and still waits to be written
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
        async def wait() -> T:
            return await work

        return self.runner.run(wait())

    def refused(self, work: Coroutine[Any, Any, Any]) -> type[OperatorError] | None:
        try:
            self.run(work)
        except OperatorError as error:
            return type(error)
        return None

    def expect(self, work: Coroutine[Any, Any, Any], expected: type[OperatorError] | None) -> None:
        refused = self.refused(work)
        assert refused is expected, f"answered with {refused}, the model says {expected}"

    def pick(self, which: int, *statuses: str) -> Modelled:
        fitting = [p for p in self.proposals if not statuses or p.status in statuses]
        return fitting[which % len(fitting)]

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        # One rule, and not one for each move: Hypothesis leaves out half of all rules in each story, and a story in
        # which nobody may approve, or nothing may run, never comes to where it is dangerous.
        move: Callable[[int, int], None] = getattr(self, data.draw(st.sampled_from(self.possible()), label="move"))
        move(*divmod(data.draw(CHOICES, label="choice"), 100))

    def possible(self) -> list[str]:
        """Return what can happen now, the more often the likelier it should be."""
        statuses = {proposal.status for proposal in self.proposals}
        moves = ["propose"] * 4 + ["kill", "observe", "execute", "drift", "sweep", "let_time_pass", "reconcile"]
        moves += ["execute"] * 4 if self.mode == "observe" else []
        moves += ["approve", "begin", "cancel", "edit", "abort", "break_glass"] if self.proposals else []
        moves += ["validate"] * 4 if "proposed" in statuses else []
        moves += ["approve_what_waits"] * 8 + ["look"] if "validated" in statuses else []
        moves += ["let_time_pass"] * 2 if any(self.is_held(proposal) for proposal in self.proposals) else []
        moves += ["retry"] * 2 if "failed" in statuses else []
        moves += ["review"] if any(proposal.broken_by for proposal in self.proposals) else []
        moves += ["begin_what_may"] * 6 if "approved" in statuses else []
        moves += ["end"] * 4 + ["interrupt", "outlast_the_lease"] if self.tasks else []
        moves += ["reconcile", "let_time_pass"] if statuses & IN_FLIGHT else []
        moves += ["resolve"] if any(p.status == "unknown" and p.id not in self.tasks for p in self.proposals) else []
        return moves

    # -- what people and clocks do ------------------------------------------------------------------------------------

    def propose(self, which: int, how: int) -> None:
        item, high, proposer = "abc"[which % 3], how % 4 == 0, (AGENT, AGENT, BO)[how % 3]
        mark = self.new_mark()
        work = self.rig.propose(item, mark=mark, action="crush" if high else "touch", by=proposer)
        if self.mode != "execute":
            self.expect(work, ObserveOnlyError)
            return
        self.reads(self.born(self.run(work), item=item, mark=mark, high=high, proposer=proposer))

    def new_mark(self) -> str:
        return f"m{len(self.proposals)}-{self.clock.now().timestamp()}"

    def born(self, proposal_id: int, like: Modelled | None = None, **known: Any) -> Modelled:
        given: dict[str, Any] = (
            {} if like is None else {"item": like.item, "high": like.high, "retry_of": like.retry_of}
        )
        new = Modelled(id=proposal_id, expires=self.clock.now() + LIFETIME, **(given | known))
        for other in self.proposals:
            if (other.item, other.high) == (new.item, new.high) and other.status in UNDECIDED:
                other.status = "cancelled"
        self.proposals.append(new)
        return new

    def renewed(self, old: Modelled) -> None:
        old.status = "cancelled"
        new = self.run(self.rig.store.read(lambda reader: reader.replaced_by(old.id)))
        assert new is not None, f"nothing follows on {old.id}"
        self.born(new, old, mark=old.mark, proposer=old.proposer)

    def reads(self, proposal: Modelled) -> None:
        pin = self.rig.target.pins.get(proposal.item, 0)
        if proposal.status == "proposed":
            proposal.status, proposal.pin = "validated", pin
        proposal.read_at, proposal.read = self.clock.now(), pin

    def is_known_to_have_moved(self, proposal: Modelled) -> bool:
        fresh = proposal.read_at is not None and self.clock.now() - proposal.read_at <= KNOWN_FOR
        return fresh and proposal.read != proposal.pin

    def is_held(self, proposal: Modelled) -> bool:
        return proposal.status == "approved" and proposal.not_before is not None

    def validate(self, which: int, _: int) -> None:
        proposal = self.pick(which, "proposed")
        self.expect(self.rig.executor.validate_proposal(proposal.id), None)
        self.reads(proposal)

    def look(self, which: int, _: int) -> None:
        proposal = self.pick(which)
        expected = None if proposal.status in {"validated", "approved"} else NotReadyError
        self.expect(self.rig.executor.preview_proposal(proposal.id), expected)
        if expected is None:
            self.reads(proposal)

    def edit(self, which: int, how: int) -> None:
        proposal, who, mark = self.pick(which), (ANN, BO, CY)[how % 3], self.new_mark()
        work = self.rig.executor.edit_proposal(proposal.id, {"item": proposal.item, "mark": mark}, by=who)
        expected: type[OperatorError] | None = None
        if who == CY:
            expected = NotAuthorizedError
        elif proposal.status == "expired":
            expected = ExpiredError
        elif proposal.status not in UNDECIDED:
            expected = AlreadyDecidedError
        elif self.overdue(proposal):
            proposal.status, expected = "expired", ExpiredError
        if expected is not None:
            self.expect(work, expected)
            return
        self.born(self.run(work).id, proposal, mark=mark, proposer=who)

    def retry(self, which: int, how: int) -> None:
        proposal, who = self.pick(which, "failed"), (ANN, BO, CY)[how % 3]
        last = next((one for one in reversed(self.proposals) if one.retry_of == proposal.id), None)
        follows = last is not None and last.status not in {"cancelled", "expired"}
        expected: type[OperatorError] | None = None
        if who == CY:
            expected = NotAuthorizedError
        elif last is not None and follows:
            expected = None if last.mark == proposal.mark else ConflictError
        elif self.mode != "execute":
            expected = ObserveOnlyError
        work = self.rig.executor.retry_proposal(proposal.id, by=who)
        if expected is not None:
            self.expect(work, expected)
            return
        again = self.run(work).id
        if last is not None and follows:
            assert again == last.id, f"{again} tries {proposal.id} again, and so does {last.id}"
        else:
            self.born(again, proposal, mark=proposal.mark, proposer=proposal.proposer, retry_of=proposal.id)

    def abort(self, which: int, how: int) -> None:
        proposal, who = self.pick(which), (ANN, BO, CY)[how % 3]
        expected: type[OperatorError] | None = None
        if proposal.status == "expired":
            expected = ExpiredError
        elif proposal.status not in PENDING:
            expected = AlreadyDecidedError
        elif proposal.status != "approved" or not proposal.high or proposal.broken_by is not None:
            expected = NotReadyError
        self.expect(self.rig.executor.abort_proposal(proposal.id, by=who), expected)
        if expected is None:
            proposal.status = "cancelled"

    def break_glass(self, which: int, how: int) -> None:
        proposal, who = self.pick(which), (ANN, BO, CY)[how % 3]
        expected = self.refusal_to_break_glass(proposal, who)
        self.expect(self.rig.executor.break_glass(proposal.id, by=who, reason="it burns"), expected)
        if expected is StaleError:
            self.renewed(proposal)
        elif expected is None:
            proposal.status, proposal.broken_by, proposal.not_before = "approved", who, None
            proposal.approved_by.add(who)
            proposal.approval_expires = self.clock.now() + TO_RUN

    def refusal_to_break_glass(self, proposal: Modelled, who: Caller) -> type[OperatorError] | None:
        if who == CY:
            return NotAuthorizedError
        if proposal.status not in {"validated", "approved"}:
            return NotReadyError
        if proposal.broken_by is not None:
            return ConflictError
        if self.overdue(proposal):
            proposal.status = "expired"
            return ExpiredError
        return StaleError if self.is_known_to_have_moved(proposal) else None

    def review(self, which: int, how: int) -> None:
        proposal, who = self.pick(which), (ANN, BO, CY)[how % 3]
        expected: type[OperatorError] | None = None
        if who == CY:
            expected = NotAuthorizedError
        elif proposal.broken_by is None or proposal.reviewed:
            expected = ConflictError
        elif proposal.broken_by == who:
            expected = NotAuthorizedError
        elif proposal.status not in {"completed", "failed", "cancelled", "expired"}:
            expected = NotReadyError
        self.expect(self.rig.executor.close_review(proposal.id, by=who, comment="looked at it"), expected)
        proposal.reviewed = proposal.reviewed or expected is None

    def approve(self, which: int, how: int) -> None:
        self.have_approved(self.pick(which), (ANN, BO, CY, AGENT)[how % 4])

    def approve_what_waits(self, which: int, how: int) -> None:
        self.have_approved(self.pick(which, "validated"), (ANN, BO)[how % 2])

    def have_approved(self, proposal: Modelled, who: Caller) -> None:
        expected = self.refusal_to_approve(proposal, who)
        self.expect(self.rig.executor.approve_proposal(proposal.id, by=who), expected)
        if expected is StaleError:
            self.renewed(proposal)
        elif expected is None:
            proposal.approved_by.add(who)
            if len(proposal.approved_by) == proposal.required:
                self.is_approved(proposal)

    def is_approved(self, proposal: Modelled) -> None:
        proposal.status, starts = "approved", self.clock.now()
        if proposal.high:
            starts = proposal.not_before = starts + ABORT
            proposal.expires = starts + LIFETIME
        proposal.approval_expires = starts + TO_RUN

    def refusal_to_approve(self, proposal: Modelled, who: Caller) -> type[OperatorError] | None:
        if who not in {ANN, BO} or who == proposal.proposer:
            return NotAuthorizedError
        if proposal.status != "validated":
            return {"proposed": NotReadyError, "expired": ExpiredError}.get(proposal.status, AlreadyDecidedError)
        if self.clock.now() >= proposal.expires:
            proposal.status = "expired"
            return ExpiredError
        if self.is_known_to_have_moved(proposal):
            return StaleError
        return AlreadyApprovedError if who in proposal.approved_by else None

    def cancel(self, which: int, how: int) -> None:
        proposal, who = self.pick(which), (ANN, BO, CY)[how % 3]
        expected: type[OperatorError] | None = None
        if who == CY:
            expected = NotAuthorizedError
        elif proposal.status == "expired":
            expected = ExpiredError
        elif proposal.status not in PENDING:
            expected = AlreadyDecidedError
        self.expect(self.rig.executor.cancel_proposal(proposal.id, by=who), expected)
        if expected is None:
            proposal.status = "cancelled"

    def kill(self, _: int, how: int) -> None:
        stopped = self.run(self.rig.safety.kill_switch(by=BO, reason=("", "stop")[how % 2]))
        in_flight = {p.id for p in self.proposals if p.status in IN_FLIGHT}
        assert {p.id for p in stopped.in_flight} == in_flight, "the kill lists something else"
        assert stopped.cancelled == self.stand_down(), "the kill cancelled something else"

    def observe(self, _: int, __: int) -> None:
        cancelled = self.run(self.rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)).cancelled
        assert cancelled == self.stand_down()

    def execute(self, _: int, __: int) -> None:
        self.run(self.rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on"))
        if self.mode == "observe":
            self.stand_down()
        self.mode = "execute"

    def stand_down(self) -> int:
        self.mode = "observe"
        pending = [p for p in self.proposals if p.status in PENDING]
        for proposal in pending:
            proposal.status = "cancelled"
        return len(pending)

    def let_time_pass(self, _: int, how: int) -> None:
        self.clock.advance((1, 11, 31, 301, 3601)[how % 5])

    def outlast_the_lease(self, _: int, __: int) -> None:
        self.clock.advance(31)
        self.reconcile(0, 0)

    def sweep(self, _: int, __: int) -> None:
        self.run(self.rig.sweeper.sweep())
        for proposal in self.proposals:
            if proposal.status in PENDING and self.overdue(proposal):
                proposal.status = "expired"
            if proposal.status == "proposed":
                self.reads(proposal)

    def overdue(self, proposal: Modelled) -> bool:
        deadlines = [proposal.expires, proposal.approval_expires]
        return any(at is not None and self.clock.now() >= at for at in deadlines)

    def drift(self, which: int, _: int) -> None:
        item = "abc"[which % 3]
        self.rig.target.pins[item] = self.rig.target.pins.get(item, 0) + 1

    # -- what the executor does ---------------------------------------------------------------------------------------

    def begin(self, which: int, _: int) -> None:
        self.have_begun(self.pick(which))

    def begin_what_may(self, which: int, _: int) -> None:
        self.have_begun(self.pick(which, "approved"))

    def have_begun(self, proposal: Modelled) -> None:
        expected = self.refusal_to_run(proposal)
        if expected is None:
            self.rig.target.hold[proposal.mark] = asyncio.Event()
        began = self.rig.target.began[proposal.mark] = asyncio.Event()
        refused = self.run(self.until_it_begins(proposal, began))
        assert refused is expected, f"answered with {refused}, the model says {expected}"
        if expected is None:
            proposal.status = "executing"
            proposal.lease_until = self.clock.now() + timedelta(seconds=30)
        elif expected is StaleError:
            self.renewed(proposal)

    async def until_it_begins(self, proposal: Modelled, began: asyncio.Event) -> type[BaseException] | None:
        task = asyncio.create_task(self.rig.executor.execute_proposal(proposal.id))
        waiter = asyncio.create_task(began.wait())
        await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        if task.done():
            error = task.exception()
            return type(error) if error else None
        self.tasks[proposal.id] = task
        return None

    def refusal_to_run(self, proposal: Modelled) -> type[OperatorError] | None:
        if proposal.status != "approved":
            ended = dict.fromkeys(("completed", "failed", "cancelled"), AlreadyDecidedError)
            return {**ended, "expired": ExpiredError}.get(proposal.status, NotReadyError)
        if self.overdue(proposal):
            proposal.status = "expired"
            return ExpiredError
        if proposal.not_before is not None and self.clock.now() < proposal.not_before:
            return NotReadyError
        if self.rig.target.pins.get(proposal.item, 0) != proposal.pin:
            return StaleError
        busy = any(p.item == proposal.item and p.status in IN_FLIGHT for p in self.proposals)
        return TargetBusyError if busy else None

    def end(self, which: int, how: int) -> None:
        proposal, fault = self.taken(which), ("", "refuse", "lost", "apply-then-lost")[how % 4]
        self.rig.target.faults[proposal.mark] = fault
        self.rig.target.hold[proposal.mark].set()
        self.run(self.tasks.pop(proposal.id))
        proposal.happened = fault in {"", "apply-then-lost"}
        if proposal.status == "executing":
            proposal.status = {"": "completed", "refuse": "failed"}.get(fault, "unknown")
            proposal.lease_until = None

    def interrupt(self, which: int, _: int) -> None:
        proposal = self.taken(which)
        task = self.tasks.pop(proposal.id)
        task.cancel()
        self.run(asyncio.gather(task, return_exceptions=True))
        if proposal.status == "executing":
            proposal.status = "unknown"
            proposal.lease_until = None

    def taken(self, which: int) -> Modelled:
        ids = sorted(self.tasks)
        wanted = ids[which % len(ids)]
        return next(p for p in self.proposals if p.id == wanted)

    def reconcile(self, _: int, __: int) -> None:
        for proposal in self.proposals:
            if proposal.status == "executing" and self.clock.now() > must(proposal.lease_until):
                proposal.status = "unknown"
                # Its owner is not known to be dead, so what it began to send may still arrive.
                proposal.lease_until = self.clock.now() + CALL
            if proposal.status == "unknown":
                self.settle(proposal)
        self.run(self.rig.reconciler.reconcile())

    def settle(self, proposal: Modelled) -> None:
        if proposal.happened:
            proposal.status = "completed"
        elif proposal.lease_until is None or self.clock.now() >= proposal.lease_until:
            proposal.status = "failed"
            if proposal.id in self.tasks:
                self.target_loses(proposal)

    def target_loses(self, proposal: Modelled) -> None:
        # By now the call of a silent owner has come to its end, so the target is told to lose it.
        self.rig.target.faults[proposal.mark] = "lost"
        self.rig.target.hold[proposal.mark].set()
        task = self.tasks.pop(proposal.id)
        self.run(asyncio.gather(task, return_exceptions=True))

    def resolve(self, which: int, how: int) -> None:
        who = (ANN, CY)[how % 2]
        proposal = self.pick(which, "unknown")
        if proposal.id in self.tasks:
            return
        work = self.rig.executor.resolve_proposal(
            proposal.id, happened=proposal.happened, by=who, reason="looked at it"
        )
        self.expect(work, NotAuthorizedError if who == CY else None)
        if who != CY:
            proposal.status = "completed" if proposal.happened else "failed"

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def the_invariants_hold(self) -> None:
        if hasattr(self, "rig"):
            self.run(self.rig.store.read(lambda r: check(r, self.rig.target.ledger, self.stored)))

    @invariant()
    def the_model_agrees(self) -> None:
        for proposal in getattr(self, "proposals", []):
            status = self.stored[proposal.id].status.value
            assert status == proposal.status, f"{proposal.id} is {status}, the model says {proposal.status}"
