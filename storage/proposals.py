"""Proposals and what belongs to one: approvals, and the record of the attempt."""

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
    type_coerce,
    update,
)

from actions.lifecycle import IN_FLIGHT, PENDING
from actions.models import EVERYTHING, ActionProposal, ActionRecord, ActionStatus, Approval
from storage.columns import Converted
from storage.statements import Statements, build, upsert
from storage.tables import (
    APPROVAL_PENDING_SQL,
    APPROVALS,
    CONTROL,
    IN_FLIGHT_SQL,
    PENDING_SQL,
    PROPOSALS,
    RECORDS,
    SUPERSEDING_SQL,
)

FIXED: Final = frozenset(
    {
        "id", "token", "button_hash", "source_key", "action_name", "definition_hash", "parameters", "params_hash",
        "subject", "target",
    }
)  # fmt: skip
"""What a proposal is about; nothing can change it once it is proposed."""
_CHANGEABLE: Final = frozenset(field.name for field in fields(ActionProposal)) - FIXED - {"status", "version"}
_NEW: Final = tuple(field.name for field in fields(ActionProposal) if field.name != "id")
_values_of_new: Final = attrgetter(*_NEW)
_CONVERTED: Final = {column.name: column.type for column in PROPOSALS.c if isinstance(column.type, Converted)}
_RECORD: Final = tuple(field.name for field in fields(ActionRecord))
_APPROVAL: Final = tuple(field.name for field in fields(Approval))

_P = PROPOSALS.c
_everywhere, _here, _other = CONTROL.alias("everywhere"), CONTROL.alias("here"), PROPOSALS.alias("other")

_BY_ID: Final = select(PROPOSALS).where(_P.id == bindparam("wanted"))
_BY_SOURCE: Final = select(PROPOSALS).where(_P.source_key == bindparam("wanted"))
_IN_FLIGHT_ON: Final = select(PROPOSALS).where(
    _P.subject == bindparam("on_subject"), _P.target == bindparam("on_target"), text(IN_FLIGHT_SQL)
)
_PENDING_ON: Final = (
    select(PROPOSALS)
    .where(_P.subject == bindparam("on_subject"), _P.target == bindparam("on_target"), text(PENDING_SQL))
    .order_by(_P.id)
)
_REPLACED_BY: Final = select(func.max(_P.id).label("newest")).where(
    _P.supersedes == bindparam("wanted"), text(SUPERSEDING_SQL)
)
_PROPOSED_SINCE: Final = select(func.count().label("made")).where(
    _P.proposed_by == bindparam("of_source"), _P.proposed_at >= bindparam("since")
)
_LEASES_RUN_OUT: Final = (
    select(PROPOSALS)
    .where(_P.status == ActionStatus.EXECUTING, _P.lease_until < bindparam("now"))
    .order_by(_P.id)
    .limit(bindparam("at_most"))
)
# One query for each status: an index on (status, id) then finds the oldest without sorting.
_EARLIER_EPOCHS: Final = (
    select(PROPOSALS)
    .select_from(
        PROPOSALS.outerjoin(_everywhere, _everywhere.c.scope == EVERYTHING).outerjoin(
            _here, _here.c.scope == _P.subject
        )
    )
    .where(
        _P.status == bindparam("wanted"),
        or_(
            _P.epoch != func.coalesce(_everywhere.c.epoch, 0),
            _P.subject_epoch != func.coalesce(_here.c.epoch, 0),
        ),
    )
    .order_by(_P.id)
    .limit(bindparam("at_most"))
)
# Both conditions are spelled as in the partial indexes, else the planner would not use them.
_EXPIRED: Final = select(_P.id).where(text(PENDING_SQL), _P.expires_at <= bindparam("now"))
_APPROVAL_EXPIRED: Final = select(_P.id).where(text(APPROVAL_PENDING_SQL), _P.approval_expires_at <= bindparam("now"))
_OVERDUE: Final = (
    select(PROPOSALS).where(_P.id.in_(_EXPIRED.union(_APPROVAL_EXPIRED))).order_by(_P.id).limit(bindparam("at_most"))
)
_APPROVALS_OF: Final = (
    select(*(APPROVALS.c[name] for name in _APPROVAL))
    .where(APPROVALS.c.proposal_id == bindparam("wanted"))
    .order_by(APPROVALS.c.id)
)
_RECORD_OF: Final = select(RECORDS).where(RECORDS.c.proposal_id == bindparam("wanted"))
_OF_RECORD: Final = select(_P.id).where(_P.id == RECORDS.c.proposal_id, _P.subject == bindparam("on_subject"))
_ATTEMPTS: Final = (
    select(RECORDS)
    .where(RECORDS.c.started_at >= bindparam("since"), exists(_OF_RECORD))
    .order_by(RECORDS.c.started_at.desc(), RECORDS.c.proposal_id.desc())
    .limit(bindparam("at_most"))
)
_ENDED_ATTEMPTS: Final = _ATTEMPTS.where(exists(_OF_RECORD.where(_P.status != ActionStatus.EXECUTING)))

_INSERT: Final = upsert(PROPOSALS).on_conflict_do_nothing(index_elements=[_P.source_key]).returning(PROPOSALS)
_MOVE: Final = update(PROPOSALS).where(
    _P.id == bindparam("old_id"),
    _P.status == bindparam("old_status"),
    _P.version == bindparam("old_version"),
    _P.fence == bindparam("old_fence"),
)
_MOVE_IF_FREE: Final = _MOVE.where(
    ~exists(
        select(_other.c.id).where(
            _other.c.subject == _P.subject,
            _other.c.target == _P.target,
            _other.c.id != _P.id,
            text("other." + IN_FLIGHT_SQL),
        )
    )
).returning(_P.id)
_RENEW: Final = (
    update(PROPOSALS)
    .where(_P.id == bindparam("old_id"), _P.status == ActionStatus.EXECUTING, _P.fence == bindparam("old_fence"))
    .returning(_P.id)
)
_APPROVE: Final = (
    upsert(APPROVALS)
    .on_conflict_do_nothing(index_elements=[APPROVALS.c.proposal_id, APPROVALS.c.person])
    .returning(APPROVALS.c.id)
)
_PUT_RECORD: Final = upsert(RECORDS)
_SAVE_RECORD: Final = _PUT_RECORD.on_conflict_do_update(
    index_elements=[RECORDS.c.proposal_id],
    set_={name: _PUT_RECORD.excluded[name] for name in _RECORD if name != "proposal_id"},
    where=RECORDS.c.fence <= _PUT_RECORD.excluded.fence,
)


class ProposalReads(Statements):
    """See `actions.ports.Reader`."""

    def proposal(self, proposal_id: int) -> ActionProposal | None:
        """See `actions.ports.Reader.proposal`."""
        known = self._known.proposals.get(proposal_id)
        return known if known is not None else self._proposal(_BY_ID, {"wanted": proposal_id})

    def proposal_by_source(self, source_key: str) -> ActionProposal | None:
        """See `actions.ports.Reader.proposal_by_source`."""
        return self._proposal(_BY_SOURCE, {"wanted": source_key})

    def proposals(
        self,
        *,
        statuses: Collection[ActionStatus] = (),
        subject: str | None = None,
        diagnosis_id: int | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[ActionProposal]:
        """See `actions.ports.Reader.proposals`."""
        filters = {"of_subject": subject, "of_diagnosis": diagnosis_id, "before_id": before_id}
        wanted = {name: value for name, value in filters.items() if value is not None}
        if not statuses:
            return self._proposals(_newest(frozenset(wanted)), {**wanted, "at_most": limit})
        # One query for each status: an index on (status, id) then finds the newest without sorting.
        newest = _newest(frozenset({*wanted, "of_status"}))
        found = [
            one
            for status in set(statuses)
            for one in self._proposals(newest, {**wanted, "of_status": status, "at_most": limit})
        ]
        return sorted(found, key=lambda proposal: -proposal.id)[:limit]

    def pending_of_earlier_epochs(self, limit: int) -> list[ActionProposal]:
        """See `actions.ports.Reader.pending_of_earlier_epochs`."""
        found = [
            self._remember(one)
            for status in PENDING
            for one in self._proposals(_EARLIER_EPOCHS, {"wanted": status, "at_most": limit})
        ]
        return sorted(found, key=lambda proposal: proposal.id)[:limit]

    def overdue(self, now: datetime, limit: int) -> list[ActionProposal]:
        """See `actions.ports.Reader.overdue`."""
        return [self._remember(one) for one in self._proposals(_OVERDUE, {"now": now, "at_most": limit})]

    def leases_run_out(self, now: datetime, limit: int) -> list[ActionProposal]:
        """See `actions.ports.Reader.leases_run_out`."""
        return self._proposals(_LEASES_RUN_OUT, {"now": now, "at_most": limit})

    def in_flight_on(self, subject: str, target: str) -> ActionProposal | None:
        """See `actions.ports.Reader.in_flight_on`."""
        return self._proposal(_IN_FLIGHT_ON, {"on_subject": subject, "on_target": target})

    def pending_on(self, subject: str, target: str) -> list[ActionProposal]:
        """See `actions.ports.Reader.pending_on`."""
        return [
            self._remember(one) for one in self._proposals(_PENDING_ON, {"on_subject": subject, "on_target": target})
        ]

    def replaced_by(self, proposal_id: int) -> int | None:
        """See `actions.ports.Reader.replaced_by`."""
        found: int | None = self._rows(_REPLACED_BY, {"wanted": proposal_id})[0]["newest"]
        return found

    def proposed_since(self, proposed_by: str, since: datetime) -> int:
        """See `actions.ports.Reader.proposed_since`."""
        return int(self._rows(_PROPOSED_SINCE, {"of_source": proposed_by, "since": since})[0]["made"])

    def approvals(self, proposal_id: int) -> list[Approval]:
        """See `actions.ports.Reader.approvals`."""
        return [build(Approval, row) for row in self._rows(_APPROVALS_OF, {"wanted": proposal_id})]

    def record(self, proposal_id: int) -> ActionRecord | None:
        """See `actions.ports.Reader.record`."""
        row = self._first(_RECORD_OF, {"wanted": proposal_id})
        return None if row is None else build(ActionRecord, row)

    def attempts(self, subject: str, *, since: datetime, ended: bool = False, limit: int) -> list[ActionRecord]:
        """See `actions.ports.Reader.attempts`."""
        wanted = {"on_subject": subject, "since": since, "at_most": limit}
        return [build(ActionRecord, row) for row in self._rows(_ENDED_ATTEMPTS if ended else _ATTEMPTS, wanted)]

    def _proposal(self, statement: Select[Any], parameters: Mapping[str, object]) -> ActionProposal | None:
        row = self._first(statement, parameters)
        return None if row is None else self._remember(build(ActionProposal, row))

    def _remember(self, proposal: ActionProposal) -> ActionProposal:
        self._known.proposals[proposal.id] = proposal
        return proposal

    def _proposals(self, statement: Select[Any], parameters: Mapping[str, object]) -> list[ActionProposal]:
        return [build(ActionProposal, row) for row in self._rows(statement, parameters)]


class ProposalWrites(ProposalReads):
    """See `actions.ports.Transaction`."""

    def insert_proposal(self, proposal: ActionProposal) -> ActionProposal | None:
        """See `actions.ports.Transaction.insert_proposal`."""
        row = self._first(_INSERT, dict(zip(_NEW, _values_of_new(proposal), strict=True)))
        return None if row is None else self._remember(build(ActionProposal, row))

    def move(self, proposal: ActionProposal, to: ActionStatus, changes: Mapping[str, object]) -> ActionProposal | None:
        """See `actions.ports.Transaction.move`."""
        require_changeable(changes)
        current = self.proposal(proposal.id)
        guard = _guard(proposal)
        if current is None or (current is not proposal and _guard(current) != guard):
            return None
        values: dict[str, Any] = {**changes, "status": to, "version": proposal.version + 1}
        if to not in IN_FLIGHT:
            # Nobody else can write before this transaction ends, so the guard holds; the database sees to it as well.
            self._tell(_MOVE, {**guard, **values}, once=True)
        elif not self._count(_MOVE_IF_FREE, {**guard, **values}):
            return None
        return self._remember(replace(current, **{**values, **_as_stored(changes)}))

    def renew_lease(self, proposal_id: int, *, fence: int, until: datetime) -> bool:
        """See `actions.ports.Transaction.renew_lease`."""
        self._known.proposals.pop(proposal_id, None)
        return self._count(_RENEW, {"old_id": proposal_id, "old_fence": fence, "lease_until": until}) == 1

    def insert_approval(self, approval: Approval) -> bool:
        """See `actions.ports.Transaction.insert_approval`."""
        return self._count(_APPROVE, {name: getattr(approval, name) for name in _APPROVAL}) == 1

    def save_record(self, record: ActionRecord) -> None:
        """See `actions.ports.Transaction.save_record`."""
        self._tell(_SAVE_RECORD, {name: getattr(record, name) for name in _RECORD})


def _guard(proposal: ActionProposal) -> dict[str, object]:
    return {
        "old_id": proposal.id,
        "old_status": proposal.status,
        "old_version": proposal.version,
        "old_fence": proposal.fence,
    }


def _as_stored(changes: Mapping[str, object]) -> dict[str, object]:
    return {
        name: value if value is None or name not in _CONVERTED else _CONVERTED[name].as_stored(value)
        for name, value in changes.items()
    }


@lru_cache
def _newest(wanted: frozenset[str]) -> Select[Any]:
    filters = {
        "of_status": _P.status == bindparam("of_status"),
        "of_subject": _P.subject == bindparam("of_subject"),
        "of_diagnosis": _P.diagnosis_id == bindparam("of_diagnosis"),
        "before_id": _P.id < bindparam("before_id"),
    }
    # SQLite would read a subject's whole history, or all that ever failed: what is an expression finds no index.
    if {"of_status", "of_diagnosis"} <= wanted:
        filters["of_status"] = _unindexed(_P.status) == bindparam("of_status", type_=_P.status.type)
    elif "of_status" in wanted:
        filters["of_subject"] = _unindexed(_P.subject) == bindparam("of_subject")
    query = select(PROPOSALS).where(*(filters[name] for name in sorted(wanted)))
    return query.order_by(_P.id.desc()).limit(bindparam("at_most"))


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return type_coerce(column, Text).concat("")


def require_changeable(changes: Mapping[str, object]) -> None:
    """Raise `ValueError` if a transition may not set one of these fields."""
    if refused := sorted(changes.keys() - _CHANGEABLE):
        raise ValueError(f"a transition cannot set {', '.join(refused)}")
