"""What the messages that remind people are made of: what they still say, and whom they are for."""

from datetime import datetime

from actions.models import ActionProposal, ActionStatus, Actor, ActorKind, Reminder
from actions.policy import ConfiguredPolicy, Missing
from actions.ports import Dossier, OutboxItem, Reader
from actions.reminder_schedule import SNOOZED, About, message_ref, number_of
from bot.views.people import Audience
from bot.views.reminder import Snooze


def gather(reader: Reader, item: OutboxItem) -> tuple[Dossier, About | None] | None:
    """Return the proposal, and what the message is about unless that is over; None of what was over when it was due."""
    proposal_id, _ = number_of(item.ref)
    dossier = reader.dossier(proposal_id)
    if dossier is None:
        return None
    about = _about(dossier.proposal, reader.reminder(proposal_id), item)
    if about is None and reader.message(item.kind, item.ref) is None:
        return None
    return dossier, about


def awaited(policy: ConfiguredPolicy, dossier: Dossier, lacking: Missing) -> Audience:
    """Return whose approval would count."""
    approved = {approval.person for approval in dossier.approvals}
    found = policy.awaited(dossier.proposal, lacking, approved)
    return Audience(
        users=tuple(_user_id(min(person.slack)) for person in found.people if person.slack),
        groups=tuple(group.slack for group in found.groups if group.slack),
        names=tuple(person.name for person in found.people if not person.slack),
    )


def approved(dossier: Dossier) -> Audience:
    """Return who has approved it."""
    actors = [(Actor.parse(approval.actor), approval.person) for approval in dossier.approvals]
    return Audience(
        users=tuple(_user_id(actor.name) for actor, _ in actors if actor.kind is ActorKind.SLACK),
        names=tuple(person for actor, person in actors if actor.kind is not ActorKind.SLACK),
    )


def snooze(dossier: Dossier, number: int) -> Snooze | None:
    """Return who wanted silence last after the message of this number."""
    snoozes = [one for one in dossier.audit if one.event == SNOOZED and one.data.get("after") == number]
    if not snoozes:
        return None
    last = snoozes[-1]
    return Snooze(actor=Actor.parse(last.actor), until=datetime.fromisoformat(str(last.data["until"])))


def _about(proposal: ActionProposal, plan: Reminder | None, item: OutboxItem) -> About | None:
    newest = plan is not None and item.ref == message_ref(proposal.id, plan.sent)
    if not newest or "about" not in item.payload:
        return None
    about = About(str(item.payload["about"]))
    waits = ActionStatus.APPROVED if about is About.STARTING else ActionStatus.VALIDATED
    return about if proposal.status is waits else None


def _user_id(identity: str) -> str:
    return identity.rpartition("/")[2]
