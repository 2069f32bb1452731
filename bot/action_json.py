"""An action as JSON, with the same fields on the command line and over HTTP."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from actions.canonical import Json
from actions.decisions import still_missing
from actions.lifecycle import PROPOSED, VALIDATED
from actions.models import ActionProposal, ActionRecord, Approval, AuditEvent, Fact, Review
from actions.policy import Missing
from actions.ports import Dossier, Policy, Reader
from bot.changes import Change, changes
from bot.unattended import approval_by_rule, rule_of


def stored_action(reader: Reader, policy: Policy, proposal_id: int) -> dict[str, Json] | None:
    """Return everything about a stored action except its secrets, or None if there is none."""
    dossier = reader.dossier(proposal_id)
    return None if dossier is None else action_json(dossier, still_missing(reader, policy, dossier.proposal))


def stored_actions(reader: Reader, policy: Policy, page: Iterable[ActionProposal]) -> list[dict[str, Json]]:
    """Return everything about these actions except their secrets."""
    return [action for one in page if (action := stored_action(reader, policy, one.id)) is not None]


def action_json(dossier: Dossier, lacking: Missing) -> dict[str, Json]:
    """Return everything about an action except its secrets. Times are ISO 8601 in UTC.

    *lacking* is what it still needs of people; that is told while people can decide.
    """
    proposal = dossier.proposal
    return {
        "id": proposal.id,
        "action_name": proposal.action_name,
        "subject": proposal.subject,
        "target": proposal.target,
        "parameters": proposal.parameters,
        "reason": proposal.reason,
        "urgency": proposal.urgency.value,
        "expected_outcome": proposal.expected_outcome,
        "risks": proposal.risks,
        "risk": proposal.risk.value,
        "status": proposal.status.value,
        "outcome": proposal.outcome.value if proposal.outcome else None,
        "reason_code": proposal.reason_code.value if proposal.reason_code else None,
        "required_approvals": proposal.required_approvals,
        "approvals": [*_by_rule(dossier), *(_approval(approval) for approval in dossier.approvals)],
        "approved_by_rule": rule_of(by_rule) if (by_rule := approval_by_rule(dossier)) else None,
        "missing": _missing(lacking) if proposal.status in {PROPOSED, VALIDATED} else None,
        "proposed_by": proposal.proposed_by,
        "proposed_at": _time(proposal.proposed_at),
        "expires_at": _time(proposal.expires_at),
        "approval_expires_at": _time(proposal.approval_expires_at),
        "not_before": _time(proposal.not_before),
        "detail": proposal.detail,
        "impact": [_fact(fact) for fact in proposal.impact],
        "supersedes": proposal.supersedes,
        "replaced_by": dossier.replaced_by,
        "changes": [_change(change) for change in changes(dossier)],
        "retry_of": proposal.retry_of,
        "undo_of": proposal.undo_of,
        "break_glass": proposal.break_glass or None,
        "review": review_json(dossier.review) if dossier.review else None,
        "record": _record(dossier.record) if dossier.record else None,
        "audit": [audit_json(event) for event in dossier.audit],
    }


def audit_json(event: AuditEvent) -> dict[str, Json]:
    """Return one line of the audit log, with both hashes, so that it can be checked elsewhere."""
    return {
        "seq": event.seq,
        "at": _time(event.at),
        "proposal_id": event.proposal_id,
        "event": event.event,
        "actor": event.actor,
        "via": event.via.value,
        "data": event.data,
        "prev": event.prev,
        "hash": event.hash,
    }


def review_json(review: Review) -> dict[str, Json]:
    """Return what remains to be looked at after break-glass, or who did; `closed_at` is null while nobody has."""
    return {
        "opened_at": _time(review.opened_at),
        "opened_by": review.opened_by,
        "person": review.person,
        "reason": review.reason,
        "closed_at": _time(review.closed_at),
        "closed_by": review.closed_by,
        "comment": review.comment,
    }


def _missing(lacking: Missing) -> Mapping[str, Json]:
    return {"people": lacking.people, "groups": lacking.groups}


def _change(change: Change) -> Mapping[str, Json]:
    return {"aspect": change.aspect.value, "name": change.name, "old": change.old, "new": change.new}


def _approval(approval: Approval) -> Mapping[str, Json]:
    return {
        "person": approval.person,
        "actor": approval.actor,
        "via": approval.via.value,
        "params_hash": approval.params_hash,
        "at": _time(approval.at),
    }


def _by_rule(dossier: Dossier) -> list[Mapping[str, Json]]:
    event = approval_by_rule(dossier)
    if event is None:
        return []
    approved = {"person": event.actor, "actor": event.actor, "via": event.via.value}
    return [{**approved, "params_hash": dossier.proposal.params_hash, "at": _time(event.at)}]


def _record(record: ActionRecord) -> Mapping[str, Json]:
    return {
        "owner": record.owner,
        "started_at": _time(record.started_at),
        "finished_at": _time(record.finished_at),
        "steps": [{"name": step.name, "state": step.state, "detail": step.detail} for step in record.steps],
        "result": record.result,
        "evidence": [_fact(fact) for fact in record.evidence],
    }


def _fact(fact: Fact) -> Mapping[str, Json]:
    return {"label": fact.label, "value": fact.value}


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
