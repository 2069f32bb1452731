"""What a rule of the policy did about a proposal in the place of people, as the audit log says it. Pure."""

from actions.models import Actor, ActorKind, AuditEvent
from actions.ports import Dossier


def approval_by_rule(dossier: Dossier) -> AuditEvent | None:
    """Return the line that says which rule approved it; None where people did, or nobody yet."""
    approved = next((event for event in reversed(dossier.audit) if event.event == "approved"), None)
    return approved if approved is not None and Actor.parse(approved.actor).kind is ActorKind.POLICY else None


def rule_of(event: AuditEvent) -> str:
    """Return the name of the rule that acted."""
    return Actor.parse(event.actor).name


def held_back(dossier: Dossier) -> AuditEvent | None:
    """Return the line that says why a rule left the proposal to people, with `why` in its data; None if none did."""
    lines = (event for event in reversed(dossier.audit) if event.event == "left_to_people")
    return next(lines, None)
