"""Texts and values as an attacker would choose them, in every field that an attacker can reach.

Texts and parameters are Hypothesis strategies. Whole records take hundreds of choices, which Hypothesis makes slowly:
an `Attacker` makes them from one number, which is what a failing example shows.
"""

from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from actions.calendar import Opening
from actions.diagnosis.models import ActionRecommendation, Alternative, Diagnosis, DiagnosisOutput, Severity
from actions.models import (
    ActionStatus,
    AuditEvent,
    Fact,
    FailureOutcome,
    ReasonCode,
    Review,
    Risk,
    Step,
    SuccessOutcome,
    Via,
)
from actions.policy import Missing
from actions.ports import Dossier
from actions.readings import Reading
from bot.views.card_view import CardView, FollowUp, FollowUps
from tests.bot.views.samples import (
    NOW,
    TOKEN,
    a_diagnosis,
    a_dossier,
    a_proposal,
    a_reading,
    a_record,
    a_review,
    an_approval,
    an_event,
    an_output,
)

T = TypeVar("T")

LINK: Final = "https://team.slack.example/archives/C1/p1"
EVENTS: Final = (
    "proposed", "failed", "cancelled", "explained", "break_glass", "reviewed", "snoozed", "limited", "lift_requested"
)  # fmt: skip
CANARY: Final = "c4n4ry"
"""Stands in every untrusted field, so that it can be looked for wherever it must not be."""
TEXTS: Final = "hostile texts"
FRAGMENTS: Final = (
    "<!channel>", "<!here|x>", "<!subteam^S1>", "<@U1>", "<#C1>", "<http://x.example|Approve>", "http://x.example",
    "@here", ":tada:", "*bold*", "_it_", "~s~", "`", "```", "> quote", "&lt;!channel&gt;", "&amp;",
    "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u3164", "\U000e0041", "\ufe0f", "\u0301" * 40,
    "\x1b[31mred\x1b[0m", "\x00", "\x07", "\x7f", "\x85", "\r\n", "\n\n\n", "\u2028", "\t", "\ud800", "\udfff",
    "\u0440\u0430ypal", "\uff45tcd", "\\u202e", "\\", '"', "…", " ", "Approved by ann", '{"p":1}',
    "x" * 300, "\u5b57" * 300, "\U0001f600" * 50,
)  # fmt: skip


class Flood(str):
    """100,000 characters, which Hypothesis need not print."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Flood({self[:20]!r}…)"


def received(text: str) -> str:
    """Return it as it arrives: whatever reads JSON joins the two halves of a character, and leaves single ones."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


texts: Final = st.one_of(
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=12)), max_size=14).map(
        lambda pieces: received(CANARY + "".join(pieces))
    ),
    st.lists(st.sampled_from(FRAGMENTS), max_size=6).map(lambda pieces: CANARY + " ".join(pieces)),
    st.sampled_from(FRAGMENTS).map(lambda piece: Flood(CANARY + piece * (100_000 // len(piece)))),
)

keys: Final = st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=10), st.sampled_from(["revision", "members"]))
values: Final = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=40),
        st.sampled_from(FRAGMENTS),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
parameters: Final = st.dictionaries(keys, values, max_size=8)

_STANDINGS: Final[tuple[dict[str, Any], ...]] = (
    *({"status": status} for status in ActionStatus),
    *({"status": ActionStatus.VALIDATED} for _ in range(8)),
    *({"status": ActionStatus.CANCELLED, "reason_code": code} for code in ReasonCode),
    *({"status": ActionStatus.FAILED, "outcome": outcome} for outcome in FailureOutcome),
    *({"status": ActionStatus.COMPLETED, "outcome": outcome} for outcome in SuccessOutcome),
)


class Attacker:
    """Fills records with hostile texts; the same *seed* makes the same records."""

    def __init__(self, seed: int | str) -> None:
        self._random = Random(seed)
        self.choose = self._random.choice
        self.met: Counter[str] = Counter()
        """What came of it, so that one can see whether the attack had a chance."""

    def text(self) -> str:
        self.met[TEXTS] += 1
        kind = self._random.randrange(12)
        if kind == 0:
            piece = self.choose(FRAGMENTS)
            return CANARY + piece * (100_000 // len(piece))
        if kind == 1:
            return received(CANARY + "".join(chr(self._random.randrange(0x110000)) for _ in range(60)))
        pieces = self._random.choices(FRAGMENTS, k=self._random.randrange(14))
        return received(CANARY + self.choose(["", " "]).join(pieces))

    def value(self, depth: int = 0) -> Any:
        kind = self._random.randrange(8 if depth < 3 else 5)
        match kind:
            case 0:
                return self.choose([None, True, False, 0, 1, -(2**63), 2**63 - 1, 0.1, 1e300])
            case 1:
                return self._random.randrange(-1_000, 1_000)
            case 5:
                return [self.value(depth + 1) for _ in range(self._random.randrange(4))]
            case 6:
                return {self.choose(FRAGMENTS): self.value(depth + 1) for _ in range(self._random.randrange(4))}
            case _:
                return self.choose([self.text()[:200], "n1", self.choose(FRAGMENTS)])

    def parameters(self) -> dict[str, Any]:
        if self._random.randrange(5) == 0:
            return {f"name{number}": self.text()[:1_000] for number in range(12)}
        names = [*FRAGMENTS, "revision", "members", "alarm"]
        return {self.choose(names): self.value() for _ in range(self._random.randrange(6))}

    def output(self) -> DiagnosisOutput:
        many = self.many(tuple(self.text()[:1_000] for _ in range(2)))
        recommended = ActionRecommendation.model_construct(
            action_name=self.text()[:200],
            parameters=self.parameters(),
            reason=self.text()[:8_000],
            expected_outcome=self.text()[:8_000],
            risks=many,
        )
        return an_output(
            timeline=self.text()[:8_000],
            affected_components=many,
            metric_readings={self.text()[:1_000]: self.text()[:1_000]},
            primary_diagnosis=self.text()[:8_000],
            confidence=self.text()[:1_000],
            supporting_evidence=many,
            alternatives_considered=self.many((self._alternative(),))[:20],
            recommended_action=self.text()[:8_000],
            action_commands=many,
            severity=self.choose(list(Severity)),
            risks=many,
            recommended_actions=self.many((recommended,))[:20],
        )

    def diagnosis(self) -> Diagnosis:
        return a_diagnosis(
            output=self.output(),
            subject=self.text(),
            target=self.text(),
            source=self.text(),
            observed_only=self.choose([True, False]),
        )

    def proposal(self) -> dict[str, Any]:
        return self.choose(_STANDINGS) | {
            "required_approvals": self.choose([1, 2]),
            "action_name": self.choose(["etcd.free_space"] * 3 + [self.text()]),
            "parameters": self.parameters(),
            "subject": self.choose(["etcd"] * 3 + [self.text()]),
            "target": self.choose(["cluster"] * 3 + [self.text()]),
            "risk": self.choose(list(Risk)),
            "reason": self.text(),
            "expected_outcome": self.text(),
            "risks": self.many((self.text(), self.text())),
            "proposed_by": f"http:{self.text()}",
            "impact": self.facts(),
            "detail": self.text(),
            "pins": self.parameters(),
            "undo_of": self.choose([None, 9]),
            "retry_of": self.choose([None, 9]),
            "not_before": self.choose([None, NOW + timedelta(seconds=8), NOW + timedelta(hours=2)]),
            "break_glass": self.choose(["", self.text()]),
            "source_key": self.choose([f"http:{self.text()}", "edited:9", "renewed:9"]),
        }

    def dossier(self) -> Dossier:
        approvals = self.many((an_approval(self.choose(["ann", "slack:T1/UBO", self.text()]), via=Via.CLI),))
        steps = self.many((Step(name=self.text(), state=self.choose(["done", "unknown"]), detail=self.text()),))
        record = a_record(result=self.text(), steps=steps, evidence=self.facts())
        event = self._event()
        return a_dossier(
            **self.proposal(),
            replaces=self.choose([None, a_proposal(id=9, **self.proposal())]),
            replaced_by=self.choose([None, 13]),
            review=self.choose([None, self.review(), self.review()]),
            approvals=approvals,
            record=self.choose([None, record]),
            audit=self.choose([(), (event,) * 3, (event,) * 80]),
            diagnosis=self.choose([None, self.diagnosis()]),
        )

    def review(self) -> Review:
        closed = {"closed_at": NOW, "closed_by": self.choose(["slack:T1/UBO", f"cli:{self.text()}"])}
        return a_review(
            opened_by=self.choose(["slack:T1/UANN", f"cli:{self.text()}"]),
            person=self.text(),
            reason=self.text(),
            comment=self.text(),
            **self.choose([{}, closed]),
        )

    def _event(self) -> AuditEvent:
        data = {
            "why": self.text(),
            "reason": self.text(),
            "comment": self.text(),
            "break_glass": self.text(),
            "code": self.choose(["wrong_cause", self.text()]),
            "until": NOW.isoformat(),
            "people": [self.text()],
            "scope": self.text(),
            "need": 2,
        } | self.choose([{}, {"superseded_by": self.text()}])
        return an_event(1, self.choose(EVENTS), f"http:{self.text()}", data=data)

    def reading(self) -> Reading:
        return a_reading(refusal=self.choose([None, self.text()]), drift=self.choose(["", self.text()]))

    def follow_ups(self) -> FollowUps:
        one = FollowUp(id=13, link=self.choose([None, LINK]))
        return FollowUps(
            replaced_by=self.choose([None, one]), undo=self.choose([None, one]), retry=self.choose([None, one])
        )

    def card(self) -> CardView:
        return CardView(
            dossier=self.dossier(),
            title=self.text(),
            button_token=self.choose([TOKEN, TOKEN, TOKEN, None]),
            approvers=self.choose([(), ("ann", "slack:T1/UBO"), ("U012ABCDEF",) * 30]),
            now=NOW,
            undo_hint=self.choose([None, self.text()]),
            follow_ups=self.follow_ups(),
            reading=self.choose([None, None, self.reading()]),
            opening=self.choose([None, Opening(starts=self.choose([None, NOW + timedelta(hours=2)]), why=self.text())]),
            abortable=self.choose([True, False]),
            editable=self.choose([True, False]),
            breakable=self.choose([True, False]),
            undoable_until=self.choose([None, NOW + timedelta(hours=1)]),
            lacking=Missing(people=self.choose([0, 1, 3]), groups=self.choose([(), ("dba",), ("dba", "sre")])),
        )

    def facts(self) -> tuple[Fact, ...]:
        return self.many((Fact(label=self.text(), value=self.text()),))

    def many(self, items: tuple[T, ...]) -> tuple[T, ...]:
        return items * self.choose([0, 1, 12])

    def _alternative(self) -> Alternative:
        text = self.text()[:8_000]
        return Alternative.model_construct(hypothesis=text, supporting=text, contradicting=text, conclusion=text)
