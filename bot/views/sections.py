"""The parts that cards, answers and modals are made of. Every text in them is untrusted, and shown as text."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from actions.diagnosis.models import Diagnosis
from actions.models import (
    ActionProposal,
    ActionRecord,
    ActionStatus,
    Approval,
    AuditEvent,
    Fact,
    RefusalCode,
    Review,
    Step,
    Via,
)
from actions.ports import Dossier
from bot.unattended import approval_by_rule, held_back, rule_of
from bot.views import blocks
from bot.views.blocks import Block
from bot.views.people import person
from bot.views.plain import exact, line, passage
from bot.views.refusal_modal import IN_WORDS
from bot.views.room import Room
from bot.views.times import age, clock, moment

T = TypeVar("T")

_TENSES: Final = {
    ActionStatus.EXECUTING: "What is running",
    ActionStatus.UNKNOWN: "What was sent",
    ActionStatus.COMPLETED: "What ran",
    ActionStatus.FAILED: "What was tried",
    ActionStatus.CANCELLED: "What would have run",
    ActionStatus.EXPIRED: "What would have run",
}
_STEP_STATES: Final = {
    "done": "done",
    "failed": "failed",
    "unknown": "outcome unknown",
    "stopped": "stopped before it began",
}
_WAYS: Final = {Via.SLACK: "in Slack", Via.CLI: "on the command line", Via.HTTP: "over HTTP"}
NAME: Final = 200
"""Characters of an action's, subject's or target's name that fit; a longer one cannot be approved here."""


def labelled(label: str, *values: Block) -> Block:
    """A paragraph that begins with a word in bold."""
    return blocks.section(blocks.text(f"{label}: " if values else f"{label}:", bold=True), *values)


def listed(items: Sequence[T], room: Room, say: Callable[[T], str] = str) -> Block:
    """Bullets, one line each as *say* words it, and how many more there are. At least one item."""
    shown = [[blocks.text(line(say(item), room.line, rest=room.rest))] for item in items[: room.items]]
    return blocks.bullets([*shown, *_more(len(items) - room.items, room)])


def facts(values: Sequence[Fact], room: Room) -> Block:
    """Bullets of labels and values, and how many more there are. At least one fact."""
    shown = [
        [blocks.text(f"{line(fact.label, 80)}: "), blocks.text(line(fact.value, room.line, rest=room.rest), bold=True)]
        for fact in values[: room.items]
    ]
    return blocks.bullets([*shown, *_more(len(values) - room.items, room)])


def diagnosis(found: Diagnosis, room: Room, now: datetime | None) -> Block:
    """How bad it is, what is wrong in one line, where, who says so, how old that is *now*, and the evidence."""
    output = found.output
    evidence = output.supporting_evidence
    return blocks.rich_text(
        blocks.section(
            blocks.text(f"{output.severity.value}: ", bold=True),
            blocks.text(line(output.primary_diagnosis, room.line, rest=room.rest), bold=True),
        ),
        blocks.section(
            blocks.text(place(found.subject, found.target), code=True),
            blocks.text(f" · {exact(found.source, 80)} · {_seen_at(found.made_at, now)}"),
            blocks.text(f" · confidence: {line(output.confidence, 80)}"),
        ),
        blocks.section(blocks.text("Evidence:" if evidence else "No evidence was given.", bold=True)),
        *([listed(evidence, room)] if evidence else []),
    )


def _seen_at(at: datetime, now: datetime | None) -> str:
    return f"{moment(at)}, {age(at, now)}" if now else moment(at)


def action(proposal: ActionProposal, title: str) -> Block:
    """Which action, on what, and what it does; the parameters follow in a block of their own."""
    return blocks.rich_text(*named(proposal), blocks.section(blocks.text(line(title, 200))))


def named(proposal: ActionProposal) -> list[Block]:
    """Which action, on what, and whether it ran."""
    return [
        labelled(
            _TENSES.get(proposal.status, "What would run"),
            blocks.text(exact(proposal.action_name, NAME), code=True),
            blocks.text(" on "),
            blocks.text(place(proposal.subject, proposal.target), code=True),
        )
    ]


def place(subject: str, target: str, most: int = NAME) -> str:
    """Return `subject / target`, spelled out, each in at most *most* characters."""
    return f"{exact(subject, most)} / {exact(target, most)}"


def impact(proposal: ActionProposal, room: Room) -> list[Block]:
    """What the target's own numbers say would happen."""
    if proposal.impact:
        return [blocks.section(blocks.text("Computed impact:", bold=True)), facts(proposal.impact, room)]
    return [labelled("Computed impact", blocks.text("none was computed"))]


def reasons(proposal: ActionProposal, undo_hint: str | None, room: Room) -> list[Block]:
    """Why it was recommended, what should come of it and what could go wrong."""
    risks = [labelled("Risks"), listed(proposal.risks, room)] if proposal.risks else []
    undo = "none" if undo_hint is None else line(undo_hint, room.line, rest=room.rest)
    urgency = proposal.urgency.value.replace("_", " ")
    proposer = exact(proposal.proposed_by, 80)
    return [
        labelled("Why", prose(proposal.reason, room)),
        labelled("Expected", prose(proposal.expected_outcome, room)),
        *risks,
        labelled("Risk tier", blocks.text(f"{proposal.risk.value} · urgency: {urgency} · undo: {undo}")),
        labelled("Proposed by", blocks.text(proposer)),
    ]


def approvals(dossier: Dossier, room: Room) -> list[Block]:
    """Who said yes, when and how, as many as fit; which rule of the policy did, or why one left it to people."""
    given, needed = dossier.approvals, dossier.proposal.required_approvals
    most = min(5, room.items + 1)
    shown = _by_rule(dossier, room) + [
        labelled(f"Approval {number} of {max(needed, len(given))}", person(one.person), blocks.text(_how(one)))
        for number, one in enumerate(given[:most], start=1)
    ]
    more = len(given) - most
    return [*shown, blocks.section(blocks.text(f"and {more} more"))] if more > 0 else shown


def _by_rule(dossier: Dossier, room: Room) -> list[Block]:
    approved, held = approval_by_rule(dossier), held_back(dossier)
    if approved is not None:
        rule = blocks.text(exact(rule_of(approved), NAME), code=True)
        return [labelled("Approved by policy rule", rule, blocks.text(f" at {clock(approved.at)}; nobody was asked"))]
    if held is None or dossier.approvals or dossier.proposal.status is not ActionStatus.VALIDATED:
        return []
    why = prose(str(held.data.get("why", "")), room)
    return [
        labelled("Left to people by policy rule", blocks.text(exact(rule_of(held), NAME), code=True)),
        labelled("Because", why),
    ]


def _how(approval: Approval) -> str:
    return f" at {clock(approval.at)}, {_WAYS.get(approval.via, approval.via.value)}"


def outcome(dossier: Dossier, room: Room) -> list[Block]:
    """How it ended or stands, who settled it, each step of the attempt, and what was read from the target after it."""
    detail, ended = dossier.proposal.detail, settled_by(dossier)
    by = [labelled(*ended)] if ended else []
    attempt = _attempt(dossier.record, detail, room) if dossier.record else []
    return [*_detail(dossier.proposal, room), *by, *_explanations(dossier, room), *attempt]


def _detail(proposal: ActionProposal, room: Room) -> list[Block]:
    if not proposal.detail.strip():
        return []
    said = prose(proposal.detail, room)
    return [labelled("Why not now", said) if proposal.status is ActionStatus.APPROVED else blocks.section(said)]


def _explanations(dossier: Dossier, room: Room) -> list[Block]:
    reasons = [why for event in dossier.audit if event.event == "explained" and (why := explained(event))]
    earlier = len(reasons) - room.items
    more = [blocks.section(blocks.text(f"and {earlier} earlier {room.rest}"))] if earlier > 0 else []
    return [labelled("Reason", prose(why, room)) for why in reasons[-room.items :]] + more


def explained(event: AuditEvent) -> str:
    """Return why somebody did not want an action: what was chosen, and what was written."""
    code = str(event.data.get("code", ""))
    chosen = IN_WORDS[RefusalCode(code)] if code in set(RefusalCode) else ""
    return ". ".join(part for part in (chosen, str(event.data.get("reason", "")).strip()) if part)


def glass(dossier: Dossier, room: Room) -> list[Block]:
    """Who ran it past everybody else and why, and what the review of that found."""
    review = dossier.review
    if review is None:
        return []
    return [
        labelled("The glass was broken by", person(review.opened_by), blocks.text(f" at {clock(review.opened_at)}")),
        labelled("Why", prose(review.reason, room)),
        _review(review, room),
    ]


def _review(review: Review, room: Room) -> Block:
    if review.closed_at is None or review.closed_by is None:
        return labelled("Review", blocks.text("open; somebody else has to look at it and close it"))
    closed = f" at {moment(review.closed_at)}: "
    return labelled("Review closed by", person(review.closed_by), blocks.text(closed), prose(review.comment, room))


def settled_by(dossier: Dossier) -> tuple[str, Block] | None:
    """Return who ended it, with a word for how, where that was a person."""
    ending = next((event for event in reversed(dossier.audit) if event.event in _ENDINGS), None)
    if ending is None:
        return None
    stopper = ending.data.get("stopped_by")
    if isinstance(stopper, str):
        return "Stopped by", person(stopper)
    return (_ENDINGS[ending.event], _decider(ending)) if _is_person(ending) else None


_ENDINGS: Final = {"cancelled": "Cancelled by", "completed": "Settled by", "failed": "Settled by"}


def _decider(event: AuditEvent) -> Block:
    return person(event.actor)


def _is_person(event: AuditEvent) -> bool:
    return event.actor.startswith(("slack:", "cli:"))


def _attempt(record: ActionRecord, detail: str, room: Room) -> list[Block]:
    ended = f", ended {clock(record.finished_at)}" if record.finished_at else ""
    result = record.result if record.result != detail else ""
    said = [labelled("Answer", prose(result, room))] if result.strip() else []
    steps = [labelled("Steps"), _steps(record.steps, room)] if record.steps else []
    seen = [labelled("Seen on the target afterwards"), facts(record.evidence, room)] if record.evidence else []
    return [labelled("Attempt", blocks.text(f"started {moment(record.started_at)}{ended}")), *said, *steps, *seen]


def _steps(steps: Sequence[Step], room: Room) -> Block:
    return listed(steps, room, _step)


def _step(step: Step) -> str:
    state = _STEP_STATES.get(step.state, step.state)
    return f"{step.name}: {state}. {step.detail}" if step.detail.strip() else f"{step.name}: {state}"


def prose(value: str, room: Room) -> Block:
    """What somebody wrote, with its line breaks."""
    return blocks.text(passage(value, room.passage, rest=room.rest, lines=room.lines))


def _more(count: int, room: Room) -> Iterable[list[Block]]:
    return [[blocks.text(f"and {count} more {room.rest}")]] if count > 0 else []
