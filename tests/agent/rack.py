"""A subject whose items wear out or jam, watched by two rules, and the agent that watches it."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from actions.agent.intake import Intake, Receipt, Submission
from actions.agent.runner import AgentRunner
from actions.diagnosis.models import ActionRecommendation, Diagnosis, DiagnosisOutput, Severity, Ticket
from actions.errors import TargetUnavailableError
from actions.executor import ActionExecutor
from actions.models import ActionProposal
from actions.ports import Store
from actions.registry import ActionDefinition
from actions.subject import Finding, Observation, Rule
from tests.rig import AGENT, Rig


class RackObservation(Observation):
    """What is broken, by rule."""

    broken: dict[str, str]


def diagnosis(*recommendations: ActionRecommendation, of: str = "a is worn") -> DiagnosisOutput:
    """What is said of something broken."""
    return DiagnosisOutput(
        timeline="12:00 it wore out",
        affected_components=("a",),
        metric_readings={"wear": "97 %"},
        primary_diagnosis=of,
        confidence="high",
        supporting_evidence=("it squeaks",),
        alternatives_considered=(),
        recommended_action="touch it",
        action_commands=(),
        severity=Severity.WARNING,
        risks=(),
        recommended_actions=recommendations,
    )


def recommended(item: str = "a", *, action: str = "rack.touch", **parameters: Any) -> ActionRecommendation:
    """Recommend to touch an item."""
    return ActionRecommendation(
        action_name=action,
        parameters={"item": item, **parameters},
        reason="it squeaks",
        expected_outcome="it does not squeak",
    )


RULES: Final = ("jammed", "worn")


class Rack:
    """The subject. `broken` says which rule finds what, `unreachable` that nothing can be read.

    Of what is `silent` nothing is known; a rule that is `failing` has a bug.
    """

    name = "rack"
    kind = "rack"

    def __init__(self, rig: Rig, *, hold: float = 0.0) -> None:
        self.rig = rig
        self.broken: dict[str, str] = {}
        self.unreachable = False
        self.silent: set[str] = set()
        self.failing: set[str] = set()
        self.recommend = True
        self.observations = 0
        self._hold = hold

    async def observe(self) -> RackObservation:
        self.observations += 1
        if self.unreachable:
            raise TargetUnavailableError("the rack does not answer")
        return RackObservation(subject=self.name, observed_at=self.rig.clock.now(), broken=dict(self.broken))

    @property
    def rules(self) -> Sequence[Rule[Any]]:
        return [
            Rule(
                id=name,
                check=partial(self._check, name),
                disproved_by="",
                hold=self._hold,
                can_tell=lambda _, target: target not in self.silent,
            )
            for name in RULES
        ]

    @property
    def actions(self) -> Sequence[ActionDefinition[Any]]:
        return list(self.rig.registry)

    async def close(self) -> None:
        pass

    def agent(self, *, store: Store | None = None, executor: ActionExecutor | None = None, **over: Any) -> AgentRunner:
        """The agent over this rack, or over `subjects`; `acts=False` leaves it without an executor."""
        acts = over.pop("acts", True)
        return AgentRunner(
            subjects=over.pop("subjects", [self]),
            store=store or self.rig.store,
            registry=self.rig.registry,
            kill_files=self.rig.kill_files,
            clock=self.rig.clock,
            publisher=self.rig.publisher,
            executor=(executor or self.rig.executor) if acts else None,
            **over,
        )

    async def poll(self) -> Receipt | None:
        """Look once."""
        return await self.agent().poll(self)

    async def wear_out(self, item: str = "a") -> Receipt:
        """Break an item, and have the agent find it."""
        self.broken["worn"] = item
        receipt = await self.poll()
        assert receipt is not None
        return receipt

    def _check(self, rule: str, seen: RackObservation) -> Finding | None:
        if rule in self.failing:
            raise KeyError(rule)
        item = seen.broken.get(rule)
        if item is None:
            return None
        recommendations = (recommended(item),) if self.recommend else ()
        return Finding(target=item, output=diagnosis(*recommendations, of=f"{item} is {rule}"))


def intake_over(rig: Rig, *, store: Store | None = None, acts: bool = True, **over: Any) -> Intake:
    """Where diagnoses come in."""
    given: dict[str, Any] = {
        "store": store or rig.store,
        "registry": rig.registry,
        "subjects": ["rack"],
        "kill_files": rig.kill_files,
        "clock": rig.clock,
        "publisher": rig.publisher,
        "executor": rig.executor if acts else None,
    }
    return Intake(**{**given, **over})


def submission(output: DiagnosisOutput, *, key: str = "http:1", **over: Any) -> Submission:
    """A diagnosis as somebody hands it in."""
    given: dict[str, Any] = {
        "output": output,
        "subject": "rack",
        "target": "a",
        "source": "grafana",
        "source_key": key,
        "by": AGENT,
    }
    return Submission(**{**given, **over})


async def diagnoses(rig: Rig) -> list[Diagnosis]:
    """Every diagnosis that is stored."""
    found: list[Diagnosis] = []
    while (one := await rig.store.read(lambda reader: reader.diagnosis(len(found) + 1))) is not None:
        found.append(one)
    return found


async def proposals(rig: Rig) -> list[ActionProposal]:
    """Every proposal that is stored, the oldest first."""
    return list(reversed(await rig.store.read(lambda reader: reader.proposals(limit=1_000))))


async def ticket(rig: Rig, rule: str = "worn", item: str = "a") -> Ticket:
    """The ticket of a broken item."""
    found = await rig.store.read(lambda reader: reader.ticket(f"rack:{rule}:{item}"))
    assert found is not None
    return found
