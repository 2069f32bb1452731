"""What goes with a proposal or a stop: reviews after break-glass, reminders, and wishes to lift a stop."""

from dataclasses import fields
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select, text

from actions.models import Lift, Reminder, Review
from storage.statements import Statements, build, upsert
from storage.tables import LIFTS, OPEN_REVIEW_SQL, REMINDERS, REVIEWS

_REVIEW: Final = tuple(field.name for field in fields(Review))
_LIFT: Final = tuple(field.name for field in fields(Lift))
_REMINDER: Final = tuple(field.name for field in fields(Reminder))

_REVIEW_OF: Final = select(REVIEWS).where(REVIEWS.c.proposal_id == bindparam("wanted"))
_OPEN: Final = select(REVIEWS).where(text(OPEN_REVIEW_SQL)).order_by(REVIEWS.c.proposal_id).limit(bindparam("at_most"))
_PUT_REVIEW: Final = upsert(REVIEWS)
_SAVE_REVIEW: Final = _PUT_REVIEW.on_conflict_do_update(
    index_elements=[REVIEWS.c.proposal_id],
    set_={name: _PUT_REVIEW.excluded[name] for name in _REVIEW if name != "proposal_id"},
)
_LIFTS_OF: Final = (
    select(LIFTS)
    .where(LIFTS.c.scope == bindparam("of_scope"), LIFTS.c.epoch == bindparam("of_epoch"))
    .order_by(LIFTS.c.at, LIFTS.c.person)
)
_PUT_LIFT: Final = upsert(LIFTS)
_SAVE_LIFT: Final = _PUT_LIFT.on_conflict_do_update(
    index_elements=[LIFTS.c.scope, LIFTS.c.epoch, LIFTS.c.person],
    set_={name: _PUT_LIFT.excluded[name] for name in ("actor", "at", "reason")},
)
_REMINDER_OF: Final = select(REMINDERS).where(REMINDERS.c.proposal_id == bindparam("wanted"))
_REMINDERS_DUE: Final = (
    select(REMINDERS)
    .where(REMINDERS.c.due_at <= bindparam("now"))
    .order_by(REMINDERS.c.due_at, REMINDERS.c.proposal_id)
    .limit(bindparam("at_most"))
)
_PUT_REMINDER: Final = upsert(REMINDERS)
_SAVE_REMINDER: Final = _PUT_REMINDER.on_conflict_do_update(
    index_elements=[REMINDERS.c.proposal_id],
    set_={name: _PUT_REMINDER.excluded[name] for name in ("due_at", "sent")},
)
_DROP_REMINDER: Final = delete(REMINDERS).where(REMINDERS.c.proposal_id == bindparam("wanted"))


class AftercareReads(Statements):
    """See `actions.ports.Reader`."""

    def review(self, proposal_id: int) -> Review | None:
        """See `actions.ports.Reader.review`."""
        row = self._first(_REVIEW_OF, {"wanted": proposal_id})
        return None if row is None else build(Review, row)

    def open_reviews(self, limit: int) -> list[Review]:
        """See `actions.ports.Reader.open_reviews`."""
        return [build(Review, row) for row in self._rows(_OPEN, {"at_most": limit})]

    def lifts(self, scope: str, epoch: int) -> list[Lift]:
        """See `actions.ports.Reader.lifts`."""
        return [build(Lift, row) for row in self._rows(_LIFTS_OF, {"of_scope": scope, "of_epoch": epoch})]

    def reminder(self, proposal_id: int) -> Reminder | None:
        """See `actions.ports.Reader.reminder`."""
        row = self._first(_REMINDER_OF, {"wanted": proposal_id})
        return None if row is None else build(Reminder, row)

    def reminders_due(self, now: datetime, limit: int) -> list[Reminder]:
        """See `actions.ports.Reader.reminders_due`."""
        return [build(Reminder, row) for row in self._rows(_REMINDERS_DUE, {"now": now, "at_most": limit})]


class AftercareWrites(AftercareReads):
    """See `actions.ports.Transaction`."""

    def save_review(self, review: Review) -> None:
        """See `actions.ports.Transaction.save_review`."""
        self._tell(_SAVE_REVIEW, {name: getattr(review, name) for name in _REVIEW})

    def save_lift(self, lift: Lift) -> None:
        """See `actions.ports.Transaction.save_lift`."""
        self._tell(_SAVE_LIFT, {name: getattr(lift, name) for name in _LIFT})

    def save_reminder(self, reminder: Reminder) -> None:
        """See `actions.ports.Transaction.save_reminder`."""
        self._tell(_SAVE_REMINDER, {name: getattr(reminder, name) for name in _REMINDER})

    def drop_reminder(self, proposal_id: int) -> None:
        """See `actions.ports.Transaction.drop_reminder`."""
        self._tell(_DROP_REMINDER, {"wanted": proposal_id})
