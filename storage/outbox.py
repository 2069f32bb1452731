"""What Slack does not show yet, and where in Slack things are shown."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, case, delete, select, text, update

from actions.canonical import Json
from actions.ports import MessageRef, OutboxItem, OutboxKind
from storage.statements import Statements, build, upsert
from storage.tables import MESSAGES, OUTBOX, UNDELIVERED_SQL, OutboxState

_O = OUTBOX.c
_ITEM: Final = tuple(field.name for field in fields(OutboxItem))
_MESSAGE: Final = tuple(field.name for field in fields(MessageRef))

_MESSAGE_OF: Final = select(MESSAGES).where(
    MESSAGES.c.kind == bindparam("of_kind"), MESSAGES.c.ref == bindparam("of_ref")
)
_MESSAGE_AT: Final = select(MESSAGES).where(
    MESSAGES.c.channel_id == bindparam("in_channel"), MESSAGES.c.ts == bindparam("at_ts")
)
_DUE: Final = (
    select(*(_O[name] for name in _ITEM))
    .where(_O.state == OutboxState.DUE, _O.due_at <= bindparam("now"))
    .order_by(_O.due_at, _O.id)
    .limit(bindparam("at_most"))
)
_NEW: Final = upsert(OUTBOX)
# An item that waits after a failure keeps its time and its count, because what failed is the way to Slack; one that
# was given up starts afresh.
_ENQUEUE: Final = _NEW.on_conflict_do_update(
    index_elements=[_O.kind, _O.ref],
    index_where=text(UNDELIVERED_SQL),
    set_={
        "version": _O.version + 1,
        "payload": _NEW.excluded.payload,
        "state": OutboxState.DUE,
        "attempts": case((_O.state == OutboxState.GIVEN_UP, 0), else_=_O.attempts),
        "error": case((_O.state == OutboxState.GIVEN_UP, ""), else_=_O.error),
        "due_at": case(
            (_O.state == OutboxState.GIVEN_UP, _NEW.excluded.due_at),
            (_O.attempts > 0, _O.due_at),
            (_NEW.excluded.due_at < _O.due_at, _NEW.excluded.due_at),
            else_=_O.due_at,
        ),
    },
)
_SETTLE: Final = update(OUTBOX).where(
    _O.id == bindparam("old_id"), _O.version == bindparam("old_version"), _O.state == OutboxState.DUE
)
_RETRY: Final = (
    update(OUTBOX)
    .where(_O.id == bindparam("old_id"), _O.state == OutboxState.DUE)
    .values(attempts=_O.attempts + 1, due_at=bindparam("new_due_at"), error=bindparam("new_error"))
)
_RECORD_MESSAGE: Final = upsert(MESSAGES).on_conflict_do_nothing(index_elements=[MESSAGES.c.kind, MESSAGES.c.ref])
_FORGET: Final = delete(MESSAGES).where(MESSAGES.c.kind == bindparam("of_kind"), MESSAGES.c.ref == bindparam("of_ref"))
_OLD: Final = (
    select(_O.id)
    .where(_O.state == OutboxState.DELIVERED, _O.created_at < bindparam("before"))
    .limit(bindparam("at_most"))
)
_PRUNE: Final = delete(OUTBOX).where(_O.id.in_(_OLD)).returning(_O.id)


class OutboxReads(Statements):
    """See `actions.ports.Reader`."""

    def message(self, kind: OutboxKind, ref: str) -> MessageRef | None:
        """See `actions.ports.Reader.message`."""
        row = self._first(_MESSAGE_OF, {"of_kind": kind, "of_ref": ref})
        return None if row is None else build(MessageRef, row)

    def message_at(self, channel_id: str, ts: str) -> MessageRef | None:
        """See `actions.ports.Reader.message_at`."""
        row = self._first(_MESSAGE_AT, {"in_channel": channel_id, "at_ts": ts})
        return None if row is None else build(MessageRef, row)

    def outbox_due(self, now: datetime, limit: int) -> list[OutboxItem]:
        """See `actions.ports.Reader.outbox_due`."""
        return [build(OutboxItem, row) for row in self._rows(_DUE, {"now": now, "at_most": limit})]


class OutboxWrites(OutboxReads):
    """See `actions.ports.Transaction`."""

    def enqueue(self, kind: OutboxKind, ref: str, *, at: datetime, payload: Mapping[str, Json] | None = None) -> None:
        """See `actions.ports.Transaction.enqueue`."""
        self._tell(
            _ENQUEUE,
            {
                "kind": kind,
                "ref": ref,
                "version": 1,
                "payload": payload or {},
                "attempts": 0,
                "due_at": at,
                "created_at": at,
                "error": "",
                "state": OutboxState.DUE,
            },
        )

    def outbox_delivered(self, item: OutboxItem) -> None:
        """See `actions.ports.Transaction.outbox_delivered`."""
        self._settle(item, {"state": OutboxState.DELIVERED})

    def outbox_retry(self, item: OutboxItem, *, due_at: datetime, error: str) -> None:
        """See `actions.ports.Transaction.outbox_retry`."""
        self._tell(_RETRY, {"old_id": item.id, "new_due_at": due_at, "new_error": error})

    def outbox_give_up(self, item: OutboxItem, *, error: str) -> None:
        """See `actions.ports.Transaction.outbox_give_up`."""
        self._settle(item, {"state": OutboxState.GIVEN_UP, "error": error})

    def record_message(self, message: MessageRef) -> MessageRef:
        """See `actions.ports.Transaction.record_message`."""
        self._tell(_RECORD_MESSAGE, {name: getattr(message, name) for name in _MESSAGE})
        return self.message(message.kind, message.ref) or message

    def forget_message(self, kind: OutboxKind, ref: str) -> None:
        """See `actions.ports.Transaction.forget_message`."""
        self._tell(_FORGET, {"of_kind": kind, "of_ref": ref})

    def _prune_outbox(self, before: datetime, limit: int) -> int:
        return self._count(_PRUNE, {"before": before, "at_most": limit})

    def _settle(self, item: OutboxItem, values: Mapping[str, object]) -> None:
        self._tell(_SETTLE, {"old_id": item.id, "old_version": item.version, **values})
