"""What those who raced were told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actions.errors import OperatorError
from actions.models import EVERYTHING, ActionProposal, ActionStatus
from actions.safety import Stopped, Switched

OK = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One operation as the one who asked for it saw it."""

    verb: str
    by: str
    owner: str
    began: int
    ended: int
    """Nanoseconds of the clock that all processes share."""
    said: str
    """`ok`, or the name of the error."""
    proposal_id: int = 0
    repeatable: bool = False
    """Whether another process may deliver the very same click."""
    number: int = 0
    """The proposal that was made, or how many were found."""
    status: ActionStatus | None = None
    version: int = 0
    decided_by: str | None = None
    other_id: int = 0
    scope: str = EVERYTHING
    """What is stopped, as far as one was told."""
    reason: str = ""
    """Unique to a change of mode."""
    recorded: bool = True
    in_flight: tuple[int, ...] = ()
    text: str = ""


def told(outcome: object) -> Mapping[str, Any]:
    """Return what an operation came back with, or raised, as fields of an `Answer`."""
    match outcome:
        case ActionProposal():
            return {"said": OK, "proposal_id": outcome.id, "status": outcome.status, "version": outcome.version}
        case Stopped() | Switched():
            recorded = not isinstance(outcome, Stopped) or outcome.recorded
            in_flight = tuple(proposal.id for proposal in outcome.in_flight)
            return {"said": OK, "recorded": recorded, "in_flight": in_flight}
        case OperatorError():
            return _refused(outcome)
        case Exception():
            return {"said": type(outcome).__name__, "text": str(outcome)}
        case int():
            return {"said": OK, "number": outcome}
        case _:
            return {"said": OK}


def _refused(error: OperatorError) -> Mapping[str, Any]:
    return {
        "said": type(error).__name__,
        "text": str(error),
        "status": getattr(error, "status", None),
        "decided_by": getattr(error, "by", None),
        "scope": getattr(error, "scope", EVERYTHING),
        "other_id": getattr(error, "other_id", 0),
    }
