"""The executor against an independent model of the lifecycle, with the invariants checked after every step."""

import asyncio
import os
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actions.errors import (
    AlreadyApprovedError,
    AlreadyDecidedError,
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
from storage.store import SqlStore
from tests.factories import FixedClock
from tests.invariants import check
from tests.memory_store import MemoryStore
from tests.rig import AGENT, ANN, BO, CY, MemoryKillFiles, Rig
from tests.storage.servers import Server

PROVE = float(os.environ.get("OPERATOR_PROVE", "1"))
"""Multiplies the number of examples; 1 is what every run of the suite does."""
PENDING = {"validated", "approved"}
T = TypeVar("T")


@dataclass
class Modelled:
    """What the model knows of one proposal."""

    id: int
    item: str
    mark: str
    required: int
    proposer: Caller
    expires: datetime
    pin: int
    status: str = "validated"
    approved_by: set[Caller] = field(default_factory=set)
    approval_expires: datetime | None = None
    lease_until: datetime | None = None
    happened: bool = False


class Lifecycle(RuleBasedStateMachine):
    """Random people, faults, clocks and kills."""

    def open(self) -> Store:
        raise NotImplementedError

    def close(self) -> None:
        """Release what `open` took."""

    @initialize()
    def begin_in_execute_mode(self) -> None:
        self.runner = asyncio.Runner()
        self.clock = FixedClock()
        self.rig = Rig(self.open(), MemoryKillFiles(), self.clock)
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
        self.close()
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

    def pick(self, index: int, *statuses: str) -> Modelled | None:
        fitting = [p for p in self.proposals if not statuses or p.status in statuses]
        return fitting[index % len(fitting)] if fitting else None

    # -- what people and clocks do ------------------------------------------------------------------------------------

    @rule(item=st.sampled_from("abc"), high=st.booleans(), proposer=st.sampled_from([AGENT, BO]))
    def propose(self, item: str, high: bool, proposer: Caller) -> None:
        mark = f"m{len(self.proposals)}-{self.clock.now().timestamp()}"
        work = self.rig.propose(item, mark=mark, action="crush" if high else "touch", by=proposer)
        if self.mode != "execute":
            assert self.refused(work) is ObserveOnlyError
            return
        proposal_id = self.run(work)
        self.proposals.append(
            Modelled(
                id=proposal_id,
                item=item,
                mark=mark,
                required=2 if high else 1,
                proposer=proposer,
                expires=self.clock.now() + timedelta(hours=1),
                pin=self.rig.target.pins.get(item, 0),
            )
        )

    @precondition(lambda self: self.proposals)
    @rule(index=st.integers(0, 99), who=st.sampled_from([ANN, BO, CY, AGENT]))
    def approve(self, index: int, who: Caller) -> None:
        proposal = self.pick(index)
        assert proposal is not None
        expected = self.refusal_to_approve(proposal, who)
        assert self.refused(self.rig.executor.approve_proposal(proposal.id, by=who)) is expected
        if expected is None:
            proposal.approved_by.add(who)
            if len(proposal.approved_by) == proposal.required:
                proposal.status = "approved"
                proposal.approval_expires = self.clock.now() + timedelta(minutes=5)

    def refusal_to_approve(self, proposal: Modelled, who: Caller) -> type[OperatorError] | None:
        if who not in {ANN, BO} or who == proposal.proposer:
            return NotAuthorizedError
        if proposal.status == "expired":
            return ExpiredError
        if proposal.status != "validated":
            return AlreadyDecidedError
        if self.clock.now() >= proposal.expires:
            proposal.status = "expired"
            return ExpiredError
        return AlreadyApprovedError if who in proposal.approved_by else None

    @precondition(lambda self: self.proposals)
    @rule(index=st.integers(0, 99), who=st.sampled_from([ANN, BO, CY]))
    def cancel(self, index: int, who: Caller) -> None:
        proposal = self.pick(index)
        assert proposal is not None
        expected: type[OperatorError] | None = None
        if who == CY:
            expected = NotAuthorizedError
        elif proposal.status == "expired":
            expected = ExpiredError
        elif proposal.status not in PENDING:
            expected = AlreadyDecidedError
        assert self.refused(self.rig.executor.cancel_proposal(proposal.id, by=who)) is expected
        if expected is None:
            proposal.status = "cancelled"

    @rule(reason=st.sampled_from(["", "stop"]))
    def kill(self, reason: str) -> None:
        stopped = self.run(self.rig.safety.kill_switch(by=BO, reason=reason))
        in_flight = {p.id for p in self.proposals if p.status in {"executing", "unknown"}}
        assert {p.id for p in stopped.in_flight} == in_flight
        assert stopped.cancelled == self.stand_down()

    @rule()
    def observe(self) -> None:
        _, cancelled = self.run(self.rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN))
        assert cancelled == self.stand_down()

    @rule()
    def execute(self) -> None:
        self.run(self.rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on"))
        self.stand_down()
        self.mode = "execute"

    def stand_down(self) -> int:
        self.mode = "observe"
        pending = [p for p in self.proposals if p.status in PENDING]
        for proposal in pending:
            proposal.status = "cancelled"
        return len(pending)

    @rule(seconds=st.sampled_from([1, 31, 301, 3601]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        self.run(self.rig.sweeper.sweep())
        for proposal in self.proposals:
            if proposal.status in PENDING and self.overdue(proposal):
                proposal.status = "expired"

    def overdue(self, proposal: Modelled) -> bool:
        deadlines = [proposal.expires, proposal.approval_expires]
        return any(at is not None and self.clock.now() >= at for at in deadlines)

    @rule(item=st.sampled_from("abc"))
    def drift(self, item: str) -> None:
        self.rig.target.pins[item] = self.rig.target.pins.get(item, 0) + 1

    # -- what the executor does ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.proposals)
    @rule(index=st.integers(0, 99))
    def begin(self, index: int) -> None:
        proposal = self.pick(index, "approved") or self.pick(index)
        assert proposal is not None
        expected = self.refusal_to_run(proposal)
        self.rig.target.hold.setdefault(proposal.mark, asyncio.Event())
        began = self.rig.target.began[proposal.mark] = asyncio.Event()
        assert self.run(self.until_it_begins(proposal, began)) is expected
        if expected is None:
            proposal.status = "executing"
            proposal.lease_until = self.clock.now() + timedelta(seconds=30)

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
        if proposal.status == "expired":
            return ExpiredError
        if proposal.status in {"completed", "failed", "cancelled"}:
            return AlreadyDecidedError
        if proposal.status != "approved":
            return NotReadyError
        if self.overdue(proposal):
            proposal.status = "expired"
            return ExpiredError
        if self.rig.target.pins.get(proposal.item, 0) != proposal.pin:
            proposal.status = "cancelled"
            return StaleError
        busy = any(p.item == proposal.item and p.status in {"executing", "unknown"} for p in self.proposals)
        return TargetBusyError if busy else None

    @precondition(lambda self: self.tasks)
    @rule(index=st.integers(0, 99), fault=st.sampled_from(["", "refuse", "lost", "apply-then-lost"]))
    def end(self, index: int, fault: str) -> None:
        proposal = self.taken(index)
        self.rig.target.faults[proposal.mark] = fault
        self.rig.target.hold[proposal.mark].set()
        self.run(self.tasks.pop(proposal.id))
        proposal.happened = fault in {"", "apply-then-lost"}
        if proposal.status == "executing":
            proposal.status = {"": "completed", "refuse": "failed"}.get(fault, "unknown")

    @precondition(lambda self: self.tasks)
    @rule(index=st.integers(0, 99))
    def interrupt(self, index: int) -> None:
        proposal = self.taken(index)
        task = self.tasks.pop(proposal.id)
        task.cancel()
        self.run(asyncio.gather(task, return_exceptions=True))
        if proposal.status == "executing":
            proposal.status = "unknown"

    def taken(self, index: int) -> Modelled:
        ids = sorted(self.tasks)
        wanted = ids[index % len(ids)]
        return next(p for p in self.proposals if p.id == wanted)

    @rule()
    def reconcile(self) -> None:
        for proposal in self.proposals:
            lease = proposal.lease_until
            if proposal.status == "executing" and lease is not None and self.clock.now() > lease:
                proposal.status = "unknown"
            if proposal.status == "unknown" and proposal.id not in self.tasks:
                proposal.status = "completed" if proposal.happened else "failed"
            elif proposal.status == "unknown":
                # Its owner still holds it back: nothing happened yet, and its late answer will be refused.
                proposal.status = "failed"
                self.rig.target.faults[proposal.mark] = "lost"
                self.drop(proposal)
        self.run(self.rig.reconciler.reconcile())

    def drop(self, proposal: Modelled) -> None:
        # The model does not let an effect begin after it was found undone: the target is told to lose it.
        self.rig.target.hold[proposal.mark].set()
        task = self.tasks.pop(proposal.id)
        self.run(asyncio.gather(task, return_exceptions=True))

    @precondition(lambda self: any(p.status == "unknown" and p.id not in self.tasks for p in self.proposals))
    @rule(index=st.integers(0, 99), who=st.sampled_from([ANN, CY]))
    def resolve(self, index: int, who: Caller) -> None:
        proposal = self.pick(index, "unknown")
        assert proposal is not None
        if proposal.id in self.tasks:
            return
        work = self.rig.executor.resolve_proposal(
            proposal.id, happened=proposal.happened, by=who, reason="looked at it"
        )
        refused = self.refused(work)
        assert refused is (NotAuthorizedError if who == CY else None)
        if refused is None:
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


class MemoryLifecycle(Lifecycle):
    """Over the fake that other tests rely on."""

    def open(self) -> Store:
        return MemoryStore()


class SqlLifecycle(Lifecycle):
    """Over SQLite."""

    def open(self) -> Store:
        self.folder = tempfile.TemporaryDirectory(prefix="operator-model-")
        url = f"sqlite:///{Path(self.folder.name) / 'operator.db'}"
        self.store = SqlStore.open(url, clock=self.clock)
        return self.store

    def close(self) -> None:
        self.runner.run(self.store.close())
        self.folder.cleanup()


class PostgresqlLifecycle(Lifecycle):
    """Over PostgreSQL."""

    server: ClassVar[Server]

    def open(self) -> Store:
        self.name = self.server.fresh()
        self.store = SqlStore.open(self.server.url(self.name), clock=self.clock)
        return self.store

    def close(self) -> None:
        self.runner.run(self.store.close())
        self.server.drop(self.name)


def steps(examples: int) -> settings:
    """Return how much to do, multiplied by OPERATOR_PROVE."""
    return settings(max_examples=max(1, int(examples * PROVE)), stateful_step_count=40)


TestMemoryLifecycle = MemoryLifecycle.TestCase
TestMemoryLifecycle.settings = steps(60)
TestSqlLifecycle = SqlLifecycle.TestCase
TestSqlLifecycle.settings = steps(40)


class TestPostgresqlLifecycle(PostgresqlLifecycle.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes it while running
    """Starts the server that its examples share."""

    settings = steps(15)

    @pytest.fixture(autouse=True)
    def over_one_server(self, server: Server) -> None:
        PostgresqlLifecycle.server = server
