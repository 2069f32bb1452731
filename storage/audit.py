"""The audit log: lines that are only ever added, each chained to the one before."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Select, bindparam, func, insert, select

from actions.models import AuditEvent, Checkpoint
from actions.ports import AuditEntry
from storage.chain import GENESIS, link
from storage.columns import json_text, microseconds
from storage.statements import Row, Statements, damaged
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
        wanted: dict[str, object] = {"after_seq": after_seq, "at_most": limit}
        period = {name: at for name, at in (("since", since), ("until", until)) if at is not None}
        if period:
            # The span comes from the index on the time alone, so the cost grows with the period and not with the log.
            span = self._rows(_span(frozenset(period)), period)[0]
            if span["first"] is None:
                return []
            wanted |= {**period, "after_seq": max(after_seq, span["first"] - 1), "last": span["last"]}
        if proposal_id is not None:
            wanted["of_proposal"] = proposal_id
        return [_event(row) for row in self._rows(_events(frozenset(wanted)), wanted)]

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
        if self._known.head is None:
            row = self._first(_HEAD)
            self._known.head = (0, GENESIS) if row is None else (row["seq"], row["hash"])
        return self._known.head


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
        self._tell(_APPEND, values)
        self._known.head = last + 1, hash_
        return AuditEvent(**{**values, "data": orjson.loads(data)})

    def save_checkpoint(self, checkpoint: Checkpoint, witness: str) -> None:
        """See `actions.ports.Transaction.save_checkpoint`."""
        self._tell(
            _CHECKPOINT,
            {
                "seq": checkpoint.seq,
                "head": checkpoint.head,
                "count": checkpoint.count,
                "at": checkpoint.at,
                "witness": witness,
            },
        )


@lru_cache
def _span(period: frozenset[str]) -> Select[Any]:
    return select(func.min(_A.seq).label("first"), func.max(_A.seq).label("last")).where(*_within(period))


@lru_cache
def _events(wanted: frozenset[str]) -> Select[Any]:
    query = select(AUDIT).where(_A.seq > bindparam("after_seq"), *_within(wanted))
    if "last" in wanted:
        query = query.where(_A.seq <= bindparam("last"))
    if "of_proposal" in wanted:
        query = query.where(_A.proposal_id == bindparam("of_proposal"))
    return query.order_by(_A.seq).limit(bindparam("at_most"))


def _within(period: frozenset[str]) -> list[ColumnElement[bool]]:
    limits = {"since": _A.at >= bindparam("since"), "until": _A.at < bindparam("until")}
    return [limits[name] for name in sorted(period & limits.keys())]


def _event(row: Row) -> AuditEvent:
    try:
        return AuditEvent(**{**row, "data": orjson.loads(row["data"])})
    except (ValueError, TypeError) as error:
        raise damaged(error) from error
