"""A target whose one action takes three calls, with something that happens before or during each of them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from actions.canonical import Json
from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.models import Fact, Risk
from actions.registry import ActionDefinition, Done, Happened, Parameters, Preview, Steps, Verdict, define
from tests.rig import AGENT, ANN, Rig

STEPS: Final = ("drain", "swap", "refill")


class Rebuild(Parameters):
    """Which unit."""

    unit: str


class Machine:
    """Drains, swaps and refills; `during` says what happens inside a call, `verdicts` what is seen afterwards."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.during: dict[str, Callable[[], Awaitable[object]]] = {}
        self.between: dict[str, Callable[[], Awaitable[object]]] = {}
        self.verdicts: list[Happened | Exception] = []
        """What looking shows, one after the other; the last one stays."""
        self.looks = 0
        self.said = "that it is rebuilt"
        self.shown = ""
        """What is read from it, instead of the plain truth."""

    async def rebuild(self, params: Rebuild, steps: Steps) -> Done:
        """Rebuild a unit."""
        for name in STEPS:
            if name in self.between:
                await self.between[name]()
            async with steps(name):
                self.calls.append(name)
                if name in self.during:
                    await self.during[name]()
        return Done(detail=f"{params.unit} says {self.said}")

    async def preview(self, params: Rebuild) -> Preview:
        return Preview(impact=(Fact(label="unit", value=params.unit),), pins={}, before={"rebuilt": 0})

    async def verify(self, params: Rebuild, before: Mapping[str, Json]) -> Verdict:
        assert before == {"rebuilt": 0}
        self.looks += 1
        seen = self.verdicts[min(self.looks, len(self.verdicts)) - 1] if self.verdicts else self._ledger()
        if isinstance(seen, Exception):
            raise seen
        return Verdict(happened=seen, evidence=(Fact(label=params.unit, value=self.shown or seen.value),))

    def definition(self, **over: Any) -> ActionDefinition[Rebuild]:
        """The action, as the registry offers it."""
        parts: dict[str, Any] = {
            "subject": "rack",
            "execute": self.rebuild,
            "preview": self.preview,
            "verify": self.verify,
            "target": lambda params: params.unit,
            "risk": Risk.LOW,
            "timeout": 5.0,
            "verify_within": 1.0,
            "settle": 0.01,
        }
        return define(**{**parts, **over})

    def _ledger(self) -> Happened:
        return Happened.YES if tuple(self.calls) == STEPS else Happened.NO


async def approved_rebuild(rig: Rig, *, unit: str = "u1", source_key: str = "rebuild") -> int:
    """Propose to rebuild a unit and have it approved; return the proposal's id."""
    proposal_id = await proposed_rebuild(rig, unit=unit, source_key=source_key)
    await rig.executor.validate_proposal(proposal_id)
    await rig.executor.approve_proposal(proposal_id, by=ANN)
    return proposal_id


async def proposed_rebuild(rig: Rig, *, unit: str = "u1", source_key: str = "rebuild") -> int:
    """Propose to rebuild a unit; return the proposal's id."""
    recommendation = ActionRecommendation(
        action_name="rack.rebuild", parameters={"unit": unit}, reason="worn", expected_outcome="new"
    )
    proposal = await rig.executor.propose_action(
        Proposition(recommendation=recommendation, source_key=source_key, by=AGENT)
    )
    return proposal.id
