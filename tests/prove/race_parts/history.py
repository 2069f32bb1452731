"""What happened in a round, put together: the life of each proposal, the changes of mode, and when all of it was.

What line n of a life says became true no sooner than the operation that wrote it began, and line n + 1 had made it
untrue when the operation that wrote that one had ended: the clock is the same for all processes.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from actions.lifecycle import STATUS_EVENTS, replay
from actions.models import EVERYTHING, ActionStatus, AuditEvent, SafetyMode
from tests.prove.race_parts.answers import OK, Answer
from tests.prove.race_parts.ledger import Effect
from tests.prove.race_parts.remains import Remains

EVER: Final = 1 << 62
DECIDED: Final = frozenset({"approved", "cancelled"})
TURNS: Final = frozenset({"kill_switch", "mode_change"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A proposal as one line of its life left it, and when that was the case at most."""

    seq: int
    event: str
    actor: str
    person: str
    owner: str
    version: int
    status: ActionStatus | None
    decided_by: str | None
    since: int
    until: int

    def overlaps(self, answer: Answer) -> bool:
        """Return whether whoever got this answer may have met it."""
        return self.since <= answer.ended and self.until >= answer.began


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A change of the mode, for everything or for a subject."""

    seq: int
    scope: str
    mode: SafetyMode
    epoch: int
    reason: str
    in_flight: tuple[int, ...]
    since: int
    until: int
    """When the next one for the same had come."""

    @property
    def stops(self) -> bool:
        """Return whether it switched to observe."""
        return self.mode is SafetyMode.OBSERVE

    def concerns(self, subject: str) -> bool:
        """Return whether it was for this subject, or for everything."""
        return self.scope in {EVERYTHING, subject}


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything that is known of a round."""

    answers: Sequence[Answer]
    effects: Sequence[Effect]
    remains: Remains

    @cached_property
    def lives(self) -> Mapping[int, Sequence[Moment]]:
        """The moments of each proposal, in order."""
        lines: dict[int, list[AuditEvent]] = defaultdict(list)
        for event in self.remains.audit:
            if event.proposal_id is not None and event.event in STATUS_EVENTS:
                lines[event.proposal_id].append(event)
        return {proposal_id: self._life(proposal_id, events) for proposal_id, events in lines.items()}

    @cached_property
    def turns(self) -> Sequence[Turn]:
        """The changes of mode, in order."""
        turns: list[Turn] = []
        until: dict[object, int] = {}
        for event in reversed(self.remains.audit):
            if event.event in TURNS:
                scope = event.data["scope"]
                turns.append(_turn(event, self._turned(event, "began", -EVER), until.get(scope, EVER)))
                until[scope] = self._turned(event, "ended", EVER)
        return turns[::-1]

    @cached_property
    def subjects(self) -> Mapping[int, str]:
        """What each proposal acts upon."""
        return {proposal.id: proposal.subject for proposal in self.remains.proposals}

    @cached_property
    def by_reason(self) -> Mapping[str, Answer]:
        """The answers to those who changed the mode."""
        return {answer.reason: answer for answer in self.answers if answer.reason}

    @cached_property
    def _spans(self) -> Mapping[tuple[int, str], tuple[int, int]]:
        """When a line was written: no sooner, no later."""
        spans: dict[tuple[int, str], tuple[int, int]] = {}
        for answer in self.answers:
            if answer.said == OK and answer.verb == "propose":
                earlier = spans.get((answer.number, "1"), (EVER, EVER))
                spans[answer.number, "1"] = min(earlier[0], answer.began), min(earlier[1], answer.ended)
            elif answer.said == OK and answer.verb == "run":
                spans[answer.proposal_id, answer.owner] = answer.began, answer.ended
            elif answer.said == OK and not answer.repeatable:
                spans[answer.proposal_id, str(answer.version)] = answer.began, answer.ended
        for effect in self.effects:
            began, _ = spans.get((effect.proposal_id, effect.owner), (-EVER, EVER))
            spans[effect.proposal_id, effect.owner] = began, effect.began
        return spans

    def _life(self, proposal_id: int, events: Sequence[AuditEvent]) -> Sequence[Moment]:
        spans = [self._span(proposal_id, event) for event in events]
        untils = [latest for _, latest in spans[1:]] + [EVER]
        life: list[Moment] = []
        status: ActionStatus | None = None
        decided_by: str | None = None
        for event, (since, _), until in zip(events, spans, untils, strict=True):
            status = _after(status, event.event)
            decided_by = event.actor if event.event in DECIDED else decided_by
            life.append(_moment(event, status=status, decided_by=decided_by, since=since, until=until))
        return life

    def _span(self, proposal_id: int, event: AuditEvent) -> tuple[int, int]:
        name = event.data["owner"] if event.event == "executing" else event.data["version"]
        return self._spans.get((proposal_id, str(name)), (-EVER, EVER))

    def _turned(self, event: AuditEvent, end: str, unknown: int) -> int:
        answer = self.by_reason.get(str(event.data["reason"]))
        return unknown if answer is None else int(getattr(answer, end))


def _after(status: ActionStatus | None, event: str) -> ActionStatus | None:
    try:
        return replay(status, event)
    except ValueError:
        return None  # an impossible step: the invariants say so


def _moment(event: AuditEvent, **known: Any) -> Moment:
    return Moment(
        seq=event.seq,
        event=event.event,
        actor=event.actor,
        person=str(event.data.get("person", "")),
        owner=str(event.data.get("owner", "")),
        version=int(str(event.data["version"])),
        **known,
    )


def _turn(event: AuditEvent, since: int, until: int) -> Turn:
    listed = event.data.get("in_flight", [])
    assert isinstance(listed, list)
    return Turn(
        seq=event.seq,
        scope=str(event.data["scope"]),
        mode=SafetyMode(str(event.data["mode"])),
        epoch=int(str(event.data["epoch"])),
        reason=str(event.data["reason"]),
        in_flight=tuple(int(str(one)) for one in listed),
        since=since,
        until=until,
    )
