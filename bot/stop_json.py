"""What a stop did, as JSON, with the same fields on the command line and over HTTP. Pure."""

from actions.canonical import Json
from actions.models import ActionProposal
from actions.safety import Stopped


def stopped_json(stopped: Stopped) -> dict[str, Json]:
    """Return what was stopped and cancelled, and everything that may still take effect."""
    return {
        "recorded": stopped.recorded,
        "scope": stopped.scope,
        "seq": stopped.seq,
        "cancelled": stopped.cancelled,
        "in_flight": [_in_flight(proposal) for proposal in stopped.in_flight],
        "problem": stopped.problem,
    }


def _in_flight(proposal: ActionProposal) -> dict[str, Json]:
    return {
        "id": proposal.id,
        "status": proposal.status.value,
        "action_name": proposal.action_name,
        "subject": proposal.subject,
        "target": proposal.target,
    }
