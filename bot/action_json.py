"""An action as JSON, with the same fields on the command line and over HTTP. Pure."""

from collections.abc import Mapping
from datetime import datetime

from actions.canonical import Json
from actions.models import ActionRecord, Approval, AuditEvent, Fact
from actions.ports import Dossier
from bot.unattended import approval_by_rule


def action_json(dossier: Dossier) -> dict[str, Json]:
    """Return everything about an action except its secrets. Times are ISO 8601 in UTC."""
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
        "proposed_by": proposal.proposed_by,
        "proposed_at": _time(proposal.proposed_at),
        "expires_at": _time(proposal.expires_at),
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
        "finished_at": _time(record.finished_at) if record.finished_at else None,
        "steps": [{"name": step.name, "state": step.state, "detail": step.detail} for step in record.steps],
        "result": record.result,
        "evidence": [_fact(fact) for fact in record.evidence],
    }


def _fact(fact: Fact) -> Mapping[str, Json]:
    return {"label": fact.label, "value": fact.value}


def _time(at: datetime) -> str:
    return at.isoformat()
