"""The audit log: lines that are only ever added, each chained to the one before."""

from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Row, bindparam, func, insert, select

from actions.models import AuditEvent, Checkpoint
from actions.ports import AuditEntry
from storage.chain import GENESIS, link
from storage.columns import json_text, microseconds
from storage.statements import Statements, damaged
from storage.tables import AUDIT, CHECKPOINTS

_A = AUDIT.c
_HEAD: Final = select(_A.seq, _A.hash).order_by(_A.seq.desc()).limit(1)
_BY_SEQ: Final = select(AUDIT).where(_A.seq == bindparam("wanted"))
_APPEND: Final = insert(AUDIT)
_CHECKPOINT: Final = insert(CHECKPOINTS)


class AuditReads(Statements):
    """See `actions.ports.Reader`."""

    def audit(
        self,
        *,
        proposal_id: int | None = None,
        after_seq: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1_000,
    ) -> list[AuditEvent]:
        """See `actions.ports.Reader.audit`."""
        wanted: list[ColumnElement[bool]] = [_A.seq > after_seq]
        if proposal_id is not None:
            wanted.append(_A.proposal_id == proposal_id)
        period = _period(since, until)
        if period:
            first, last = self._span(period)
            wanted += [*period, _A.seq >= first, _A.seq <= last]
        query = select(AUDIT).where(*wanted).order_by(_A.seq).limit(limit)
        return [_event(row) for row in self._rows(query)]

    def audit_head(self, at: datetime) -> Checkpoint:
        """See `actions.ports.Reader.audit_head`."""
        seq, head = self._head()
        # The log is dense from 1, so its length is its last number; `audit verify` holds it to that.
        return Checkpoint(seq=seq, head=head, count=seq, at=at)

    def audit_event(self, seq: int) -> AuditEvent | None:
        """See `actions.ports.Reader.audit_event`."""
        row = self._first(_BY_SEQ, {"wanted": seq})
        return None if row is None else _event(row)

    def _head(self) -> tuple[int, str]:
        row = self._first(_HEAD)
        return (0, GENESIS) if row is None else (row.seq, row.hash)

    def _span(self, period: list[ColumnElement[bool]]) -> tuple[int, int]:
        # Reads only the index on the time, so the cost grows with the period and not with the log.
        row = self._first(select(func.min(_A.seq).label("first"), func.max(_A.seq).label("last")).where(*period))
        return (1, 0) if row is None or row.first is None else (row.first, row.last)


class AuditWrites(AuditReads):
    """See `actions.ports.Transaction`."""

    def append_audit(self, entry: AuditEntry) -> AuditEvent:
        """See `actions.ports.Transaction.append_audit`."""
        last, prev = self._head()
        data = json_text(entry.data)
        hash_ = link(
            last + 1,
            microseconds(entry.at),
            entry.proposal_id,
            entry.event,
            entry.actor,
            entry.via.value,
            data,
            prev,
        )
        values = {
            "seq": last + 1,
            "at": entry.at,
            "proposal_id": entry.proposal_id,
            "event": entry.event,
            "actor": entry.actor,
            "via": entry.via,
            "data": data,
            "prev": prev,
            "hash": hash_,
        }
        self._count(_APPEND, values)
        return AuditEvent(**{**values, "data": orjson.loads(data)})

    def save_checkpoint(self, checkpoint: Checkpoint, witness: str) -> None:
        """See `actions.ports.Transaction.save_checkpoint`."""
        self._count(
            _CHECKPOINT,
            {
                "seq": checkpoint.seq,
                "head": checkpoint.head,
                "count": checkpoint.count,
                "at": checkpoint.at,
                "witness": witness,
            },
        )


def _period(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    period: list[ColumnElement[bool]] = []
    if since is not None:
        period.append(_A.at >= since)
    if until is not None:
        period.append(_A.at < until)
    return period


def _event(row: Row[Any]) -> AuditEvent:
    try:
        return AuditEvent(
            seq=row.seq,
            at=row.at,
            proposal_id=row.proposal_id,
            event=row.event,
            actor=row.actor,
            via=row.via,
            data=orjson.loads(row.data),
            prev=row.prev,
            hash=row.hash,
        )
    except (ValueError, TypeError) as error:
        raise damaged(error) from error
