"""How a stop is lifted where that takes more than one person: each asks, and the last one needed switches."""

from datetime import timedelta
from typing import Final

from actions.canonical import Json
from actions.models import Caller, Lift
from actions.ports import OutboxKind, Transaction
from actions.transitions import note

LIFT_REQUESTED: Final = "lift_requested"
"""The event of a wish that is not enough yet; its data name the people who want it, and how many are needed."""
WISH_LASTS: Final = timedelta(minutes=10)
"""How long one person's wish waits for the others: who asked in the morning has not looked at the evening's state."""


def people_for(tx: Transaction, wish: Lift, *, by: Caller, need: int) -> tuple[str, ...]:
    """Count *wish*, and return the names of all who want this stop lifted now.

    Fewer than *need*: the wish is stored, or renewed, and the first time the channel is told of it.
    """
    waiting = {one.person for one in tx.lifts(wish.scope, wish.epoch) if wish.at - one.at <= WISH_LASTS}
    people = tuple(sorted({*waiting, wish.person}))
    if len(people) < need:
        tx.save_lift(wish)
        if wish.person not in waiting:
            _announce(tx, wish, people, by, need)
    return people


def _announce(tx: Transaction, wish: Lift, people: tuple[str, ...], by: Caller, need: int) -> None:
    data: dict[str, Json] = {"scope": wish.scope, "reason": wish.reason, "people": list(people), "need": need}
    seq = note(tx, LIFT_REQUESTED, by=by, at=wish.at, data=data)
    tx.enqueue(OutboxKind.ANNOUNCEMENT, str(seq), at=wish.at)
