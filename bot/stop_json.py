"""What a stop did, as JSON, with the same fields on the command line and over HTTP. Pure."""

from collections.abc import Iterable

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
        "in_flight": in_flight_json(stopped.in_flight),
        "problem": stopped.problem,
    }


def in_flight_json(in_flight: Iterable[ActionProposal]) -> list[Json]:
    """Return what may still take effect."""
    return [
        {
            "id": proposal.id,
            "status": proposal.status.value,
            "action_name": proposal.action_name,
            "subject": proposal.subject,
            "target": proposal.target,
        }
        for proposal in in_flight
    ]
