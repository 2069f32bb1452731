"""What would take the effect of an action back, and until when that is offered."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from actions.attempt import parameters_of
from actions.canonical import Json
from actions.lifecycle import COMPLETED
from actions.models import ActionProposal, ActionRecord
from actions.registry import ActionRegistry


def undo_of(registry: ActionRegistry, proposal: ActionProposal) -> tuple[str, Mapping[str, Json]] | None:
    """Return the action and the parameters that would restore the state before; None where nothing does."""
    definition = registry.find(proposal.action_name)
    if definition is None or definition.undo is None or definition.definition_hash != proposal.definition_hash:
        return None
    undo = definition.undo(parameters_of(definition, proposal), proposal.before)
    return (f"{definition.subject}.{undo[0]}", undo[1]) if undo is not None else None


def undoable_until(proposal: ActionProposal, record: ActionRecord | None, window: timedelta) -> datetime | None:
    """Return until when a completed action can be undone at the press of a button; None if it did not complete."""
    ended = record.finished_at if record is not None else None
    return ended + window if proposal.status is COMPLETED and ended is not None else None
