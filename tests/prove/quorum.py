"""Two people are needed, and everybody presses at once, again and again, by every identity they have."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from actions.errors import OperatorError
from actions.executor import ActionExecutor
from actions.models import ActionProposal, ActionStatus, Actor, Approval, AuditEvent, Caller, Risk, Verb, Via
from actions.policy import ConfiguredPolicy, Grants, Group, Person, QuorumClause, Scope
from actions.ports import Store
from storage.store import SqlStore
from tests.actions.parts import audit, executor_over, stored
from tests.factories import FixedClock
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import Share, in_shares
from tests.rig import AT_ONCE, MemoryKillFiles, Rig
from tests.storage.emptied import EmptiedSqlite

ACTIONS: Final = 25
"""How many actions are decided about at once."""
ENOUGH: Final = 2_000
"""Approvals after which every ending below must have occurred."""
ANN, BO, CY, DI, ED = "ann", "bo", "cy", "di", "ed"
"""Ann is in both groups, Bo in one, Cy and Ed in none; Di may not approve."""
LISTED: Final = frozenset({ANN, BO, CY, ED})
GROUPS: Final = {"dba": {ANN, BO}, "sre": {ANN}}
POLICY: Final = ConfiguredPolicy(
    Grants(
        people=tuple(
            Person(name=name, slack=frozenset({f"T1/U{name.upper()}", f"E1/W{name.upper()}"}), cli=frozenset({name}))
            for name in (ANN, BO, CY, DI, ED)
        ),
        verbs=dict.fromkeys(Verb, LISTED),
        approvals=dict.fromkeys(Risk, 2),
        high_risk_from_cli=True,
        groups=tuple(Group(name=name, members=frozenset(members)) for name, members in GROUPS.items()),
        quorums=(QuorumClause(people=2, needs=frozenset({"dba"}), scope=Scope(action="rack.crush")),),
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Presses:
    """What comes about one action."""

    name: str
    action: str
    callers: tuple[Caller, ...]

    @property
    def people(self) -> set[str]:
        """Those who count: listed, and not the proposer."""
        return {person_of(by) for by in self.callers} & (LISTED - self.proposers)

    @property
    def proposers(self) -> set[str]:
        """Cy has proposed every third action."""
        return {CY} if self.name.endswith("c") else set()

    @property
    def enough(self) -> bool:
        """Whether two people, with one of dba where one is needed, are among them."""
        return len(self.people) >= 2 and (self.action == "touch" or bool(self.people & GROUPS["dba"]))


def identities(person: str) -> tuple[Caller, ...]:
    """Return every way in which a person comes."""
    return (
        Caller(actor=Actor.slack("T1", f"U{person.upper()}"), via=Via.SLACK),
        Caller(actor=Actor.slack("E1", f"W{person.upper()}"), via=Via.SLACK),
        Caller(actor=Actor.cli(person, "db-1"), via=Via.CLI),
        Caller(actor=Actor.cli(person, "db-2"), via=Via.CLI),
    )


def person_of(by: Caller) -> str:
    """Return whose identity it is, without the policy's help."""
    return by.actor.name.partition("@")[0] if by.via is Via.CLI else by.actor.name.partition("/")[2][1:].lower()


def planned(random: Random, number: int) -> Presses:
    """Return who presses for one action, how often, and in which order."""
    some = random.choice([(ANN,), (BO, DI), (ANN, BO), (ANN, CY), (BO, CY), (CY,), (ANN, BO, CY), (CY, DI), (CY, ED)])
    callers = [random.choice(identities(one)) for one in some for _ in range(random.randrange(1, 6))]
    random.shuffle(callers)
    name = f"{number}{random.choice('abc')}"
    return Presses(name=name, action=random.choice(["touch", "crush"]), callers=tuple(callers))


@dataclass(kw_only=True)
class Ballot:
    """One round: actions, all their presses at once over two connections to one database."""

    rig: Rig
    executors: Sequence[ActionExecutor]
    random: Random
    counts: Counter[str]

    async def hold(self) -> list[str]:
        """Let everybody press, then have everything run that may; return what was wrong."""
        await self.rig.start()
        plans = {await self._propose(plan): plan for plan in (planned(self.random, n) for n in range(ACTIONS))}
        presses = [(number, by) for number, plan in plans.items() for by in plan.callers]
        self.random.shuffle(presses)
        await asyncio.gather(*(self._press(number, by) for number, by in presses))
        await asyncio.gather(*(self._run(number) for number in plans))
        self.counts["presses"] += len(presses)
        return [fault for number, plan in plans.items() for fault in await self._judged(number, plan)]

    async def _propose(self, plan: Presses) -> int:
        by = identities(CY)[0] if plan.proposers else Caller(actor=Actor.system("rules"), via=Via.SYSTEM)
        return await self.rig.propose(plan.name, action=plan.action, by=by)

    async def _press(self, number: int, by: Caller) -> None:
        try:
            await self.random.choice(self.executors).approve_proposal(number, by=by)
        except OperatorError as error:
            self.counts[type(error).__name__] += 1

    async def _run(self, number: int) -> None:
        with suppress(OperatorError):
            await self.random.choice(self.executors).execute_proposal(number)

    async def _judged(self, number: int, plan: Presses) -> list[str]:
        proposal = await stored(self.rig.store, number)
        approvals = await self.rig.store.read(lambda reader: reader.approvals(number))
        self.counts["approved"] += plan.enough
        self.counts["one person alone"] += len(plan.people) == 1 and len(plan.callers) > 1
        self.counts["two people, and nobody of a needed group"] += len(plan.people) > 1 and not plan.enough
        written = await audit(self.rig.store, number)
        faults = self._faults(plan, proposal, approvals, written)
        return [f"{plan.action} {plan.name} pressed by {sorted(plan.people)}: {fault}" for fault in faults]

    def _faults(
        self, plan: Presses, proposal: ActionProposal, approvals: list[Approval], written: list[AuditEvent]
    ) -> list[str]:
        people = [approval.person for approval in approvals]
        events = Counter(event.event for event in written)
        ended = ActionStatus.COMPLETED if plan.enough else ActionStatus.VALIDATED
        ran = self.rig.target.ledger[plan.name]
        checks = {
            f"counted {people}": len(people) == len(set(people)) and set(people) <= plan.people,
            f"it is {proposal.status.value}": proposal.status is ended,
            f"it ran {ran} times": ran == plan.enough,
            f"it was approved {events['approved']} times": events["approved"] == plan.enough,
            f"{events['approval']} approvals before the last": events["approval"] == len(people) - plan.enough,
            "somebody was left out": plan.enough or set(people) == plan.people,
        }
        return [fault for fault, held in checks.items() if not held]


def vote(share: Share, outcome: Outcome, counts: Counter[str]) -> None:
    """Do a share."""
    logging.disable()
    emptied = EmptiedSqlite(share.folder)
    asyncio.run(_rounds(share, outcome, counts, emptied))


async def _rounds(share: Share, outcome: Outcome, counts: Counter[str], emptied: EmptiedSqlite) -> None:
    second = SqlStore.open(f"sqlite:///{share.folder / 'operator.db'}", clock=FixedClock())
    for seed in share.rounds(outcome):
        try:
            faults = await _ballot(emptied.fresh(), second, Random(seed), counts).hold()
        except Exception as error:  # noqa: BLE001 - boundary: whatever breaks is a violation
            faults = [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
        outcome.violations += [f"seed {seed}: {fault}" for fault in faults]
        outcome.done = counts["presses"]
    await second.close()
    await emptied.close()


def _ballot(first: Store, second: Store, random: Random, counts: Counter[str]) -> Ballot:
    rig = Rig(first, MemoryKillFiles(), FixedClock())
    executors = [
        executor_over(rig, policy=POLICY, timing=AT_ONCE),
        executor_over(rig, policy=POLICY, timing=AT_ONCE, store=second, owner="host/3/c"),
    ]
    rig.executor = executors[0]
    return Ballot(rig=rig, executors=executors, random=random, counts=counts)


def run(trial: Trial) -> Outcome:
    """Have them press."""
    shared = in_shares(trial, vote)
    outcome, counts = shared.outcome, shared.counts
    seen = (
        "approved",
        "one person alone",
        "two people, and nobody of a needed group",
        "AlreadyApprovedError",
        "AlreadyDecidedError",
        "NotAuthorizedError",
    )
    outcome.notes = [", ".join(f"{counts[what]:,} {what}" for what in seen)]
    if outcome.done >= ENOUGH and not outcome.violations:
        outcome.violations += [f"never seen, so it proves nothing: {what}" for what in seen if not counts[what]]
    return outcome


PROOF: Final = Proof(
    name="quorum",
    promise=(
        "Where two people are needed, exactly what two people have approved, one of each needed group among them, "
        "runs, once; however often and by however many identities one person presses, they count once."
    ),
    count=10_000,
    unit="approvals",
    run=run,
    bugs={
        "approval counted per click": 1_000,
        "identities counted as people": 1_000,
        "groups counted as people": 1_000,
        "needed groups not asked for": 1_000,
        "the last approval lost": 1_000,
    },
)
