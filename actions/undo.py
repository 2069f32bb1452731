"""What would take the effect of an action back, and until when that is offered."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from actions.attempt import parameters_of
from actions.canonical import Json
from actions.errors import ConflictError
from actions.lifecycle import COMPLETED
from actions.models import ActionProposal, ActionRecord, FailureOutcome
from actions.ports import Reader
from actions.registry import ActionRegistry

_LATER: Final = 1_000
"""How many later attempts on the subject are looked through."""


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


def not_undoable(reader: Reader, done: ActionProposal, window: timedelta, now: datetime) -> ConflictError | None:
    """Return None if taking back what *done* did touches nothing else; else why it is not offered."""
    record = reader.record(done.id)
    until = undoable_until(done, record, window)
    if record is None or record.finished_at is None or until is None:
        return ConflictError(
            f"Action {done.id} cannot be undone: it is {done.status.value}, and only what was completed can be."
        )
    if now >= until:
        return ConflictError(
            f"Action {done.id} could be undone until {until:%Y-%m-%d %H:%M} UTC. Nothing was changed; "
            "look at the target, and have what it needs now diagnosed."
        )
    later = _later_on_the_target(reader, done, since=record.finished_at)
    if later is not None:
        return ConflictError(
            f"Action {done.id} cannot be undone any more: action {later} ran on the same target since, and what it did "
            "would be lost. Nothing was changed; look at the target, and have what it needs now diagnosed."
        )
    return None


def _later_on_the_target(reader: Reader, done: ActionProposal, *, since: datetime) -> int | None:
    for attempt in reader.attempts(done.subject, since=since, limit=_LATER):
        other = reader.proposal(attempt.proposal_id)
        if other is None or other.target != done.target or done.id in {other.id, other.undo_of}:
            continue
        if other.outcome is not FailureOutcome.NO_EFFECT:
            return other.id
    return None
