"""An executor over any store and a target that keeps a ledger: what tests of the core act on."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from actions.auditor import ActionAuditor
from actions.calendar import ALWAYS_OPEN, Calendar
from actions.canonical import Json
from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.errors import ActionFailedError, TargetUnavailableError
from actions.executor import ActionExecutor, Timing
from actions.limits import NO_LIMITS, Limits
from actions.models import Actor, ActorKind, Caller, Checkpoint, Fact, FailureOutcome, Risk, SafetyMode, Verb, Via
from actions.policy import DEFAULT_APPROVALS, ConfiguredPolicy, Grants, Person
from actions.ports import Clock, KillFiles, Standing, Store
from actions.reconcile import Reconciler
from actions.registry import (
    ActionDefinition,
    ActionRegistry,
    Done,
    Happened,
    Parameters,
    Preview,
    Steps,
    Verdict,
    define,
)
from actions.safety import SafetyController, introduce
from actions.sweeper import Sweeper
from tests.factories import CountingEntropy

ANN: Final = Caller(actor=Actor.slack("T1", "UANN"), via=Via.SLACK)
BO: Final = Caller(actor=Actor.slack("T1", "UBO"), via=Via.SLACK)
CY: Final = Caller(actor=Actor.slack("T1", "UCY"), via=Via.SLACK)
"""May do nothing."""
ANN_CLI: Final = Caller(actor=Actor.cli("ann", "host"), via=Via.CLI)
AGENT: Final = Caller(actor=Actor(ActorKind.AGENT, "rules"), via=Via.AGENT)

GRANTS: Final = Grants(
    people=(
        Person(name="ann", slack=frozenset({"T1/UANN"}), cli=frozenset({"ann"})),
        Person(name="bo", slack=frozenset({"T1/UBO"})),
    ),
    verbs=dict.fromkeys(Verb, frozenset({"ann", "bo"})),
    approvals=DEFAULT_APPROVALS,
)
AT_ONCE: Final = Timing(abort_window=timedelta(0))
"""What is of high risk begins without the seconds in which everybody may abort it."""

POLICY: Final = ConfiguredPolicy(GRANTS)


class Touch(Parameters):
    """Which item to touch; two marks on one item are two effects on one target."""

    item: str
    mark: str = ""

    @property
    def key(self) -> str:
        """The name of this effect in the ledger."""
        return self.mark or self.item


@dataclass
class Target:
    """Something that is changed, with a ledger of every change and a choice of how to fail."""

    ledger: Counter[str] = field(default_factory=Counter)
    began: dict[str, asyncio.Event] = field(default_factory=dict)
    hold: dict[str, asyncio.Event] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    pins: dict[str, int] = field(default_factory=dict)
    reachable: bool = True
    blind: set[str] = field(default_factory=set)

    async def touch(self, params: Touch, steps: Steps) -> Done:
        """Touch an item."""
        async with steps("touch"):
            return await self._touch(params.key)

    async def crush(self, params: Touch, steps: Steps) -> Done:
        """Touch an item, at high risk."""
        return await self.touch(params, steps)

    async def preview(self, params: Touch) -> Preview:
        if not self.reachable:
            raise TargetUnavailableError("the rack cannot be reached")
        pin = self.pins.get(params.item, 0)
        return Preview(
            impact=(Fact(label="touched before", value=str(self.ledger[params.key])),),
            pins={"generation": pin},
            before={"touched": self.ledger[params.key]},
        )

    async def verify(self, params: Touch, before: Mapping[str, Json]) -> Verdict:
        if params.key in self.blind:
            return Verdict(happened=Happened.CANNOT_TELL, evidence=())
        happened = self.ledger[params.key] > int(str(before["touched"]))
        return Verdict(
            happened=Happened.YES if happened else Happened.NO,
            evidence=(Fact(label="touched", value=str(self.ledger[params.key])),),
        )

    async def _touch(self, key: str) -> Done:
        self.began.setdefault(key, asyncio.Event()).set()
        if key in self.hold:
            await self.hold[key].wait()
        fault = self.faults.get(key, "")
        if fault == "refuse":
            raise ActionFailedError("refused", FailureOutcome.NO_EFFECT)
        if fault == "lost":
            raise ConnectionError("lost on the way there")
        self.ledger[key] += 1
        if fault == "apply-then-lost":
            raise ConnectionError("lost on the way back")
        return Done(detail=f"touched {key}")


class KnownPeople:
    """A directory in which everybody is an active full member, except those named."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.unreachable = False

    async def standing(self, actor: Actor) -> Standing:
        if self.unreachable:
            return Standing(active=False, full_member=False, problem="Slack did not answer", known=False)
        if str(actor) in self.gone:
            return Standing(active=False, full_member=False, problem="your account is deactivated")
        return Standing(active=True, full_member=True)


class Tokens:
    """Button tokens that a test can compute."""

    def token_for(self, proposal_token: str) -> str:
        return f"button-{proposal_token}"


class Calls:
    """A publisher that counts."""

    def __init__(self) -> None:
        self.count = 0

    def changed(self) -> None:
        self.count += 1


class FileWitness:
    """A witness in memory."""

    name = "test"

    def __init__(self) -> None:
        self.kept: list[Checkpoint] = []

    async def keep(self, checkpoint: Checkpoint) -> None:
        self.kept.append(checkpoint)


class Rig:
    """Everything the core consists of, over one store."""

    def __init__(
        self,
        store: Store,
        kill_files: KillFiles,
        clock: Clock,
        *,
        owner: str = "host/1/a",
        timing: Timing | None = None,
        calendar: Calendar = ALWAYS_OPEN,
        target: Target | None = None,
        subject: str = "rack",
        subjects: Collection[str] = ("rack", "shelf"),
        lift_people: int = 1,
        policy: ConfiguredPolicy = POLICY,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.store = store
        self.subject = subject
        self.clock = clock
        self.kill_files = kill_files
        self.target = target or Target()
        self.directory = KnownPeople()
        self.publisher = Calls()
        self.witness = FileWitness()
        self.auditor = ActionAuditor(store=store, witness=self.witness, clock=clock)
        self.registry = ActionRegistry([self._define("touch", Risk.LOW), self._define("crush", Risk.HIGH)])
        self.executor = ActionExecutor(
            store=store,
            registry=self.registry,
            policy=policy,
            directory=self.directory,
            kill_files=kill_files,
            clock=clock,
            entropy=CountingEntropy(prefix=owner),
            button_tokens=Tokens(),
            publisher=self.publisher,
            owner=owner,
            timing=timing or Timing(lease=timedelta(seconds=30)),
            calendar=calendar,
            limits=limits,
        )
        self.safety = SafetyController(
            store=store,
            kill_files=kill_files,
            policy=policy,
            directory=self.directory,
            auditor=self.auditor,
            clock=clock,
            publisher=self.publisher,
            subjects=subjects,
            lift_people=lift_people,
        )
        self.sweeper = Sweeper(
            store=store, safety=self.safety, executor=self.executor, clock=clock, publisher=self.publisher
        )
        self.reconciler = Reconciler(
            store=store,
            attempts=self.executor.attempts,
            registry=self.registry,
            clock=clock,
            publisher=self.publisher,
        )

    async def start(self, *, execute: bool = True) -> "Rig":
        """Introduce the subject and, unless told otherwise, switch to execute."""
        await self.store.write(introduce(self.subject, self.clock))
        if execute:
            await self.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="test")
        return self

    async def propose(
        self, item: str, *, mark: str = "", action: str = "touch", by: Caller = AGENT, validate: bool = True
    ) -> int:
        """Propose, and validate, an action on *item*; return the proposal's id."""
        recommendation = ActionRecommendation(
            action_name=f"{self.subject}.{action}",
            parameters={"item": item, "mark": mark},
            reason="because",
            expected_outcome="touched",
        )
        proposal = await self.executor.propose_action(
            Proposition(recommendation=recommendation, source_key=f"{self.subject}:{action}:{item}:{mark}", by=by)
        )
        if validate:
            await self.executor.validate_proposal(proposal.id)
        return proposal.id

    async def approved(self, item: str) -> int:
        """Propose an action on *item* and have it approved; return the proposal's id."""
        proposal_id = await self.propose(item)
        await self.executor.approve_proposal(proposal_id, by=ANN)
        return proposal_id

    def _define(self, name: str, risk: Risk) -> ActionDefinition[Touch]:
        return define(
            subject=self.subject,
            execute=getattr(self.target, name),
            preview=self.target.preview,
            verify=self.target.verify,
            target=lambda params: params.item,
            risk=risk,
            verify_within=1.0,
            settle=0.01,
        )


class MemoryKillFiles:
    """Kill files that lie in a set."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.dropped = 0

    def drop(self, scope: str = "*") -> str:
        self.dropped += 1
        self.names.add(name := f"kill-{self.dropped}{'' if scope == '*' else f'@{scope}'}")
        return name

    def present(self, scope: str | None = None) -> list[str]:
        return sorted(name for name in self.names if scope is None or name.partition("@")[2] in {"", scope})

    def remove(self, names: object) -> None:
        assert isinstance(names, list | tuple | set)
        self.names -= set(names)
