"""A store in dictionaries that keeps every promise of the ports; only the durability is missing."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final, TypeVar

import orjson

from actions.canonical import Json, canonical_json
from actions.diagnosis.models import Diagnosis, DiagnosisOutput, Ticket, TicketStatus
from actions.errors import StorageError
from actions.lifecycle import EXECUTING, IN_FLIGHT, PENDING
from actions.models import (
    EVERYTHING,
    ActionProposal,
    ActionRecord,
    ActionStatus,
    Approval,
    AuditEvent,
    Checkpoint,
    Control,
    Lift,
    Reminder,
    Review,
)
from actions.ports import (
    AuditEntry,
    Dossier,
    InboxEntry,
    MessageRef,
    OutboxItem,
    OutboxKind,
    Reader,
    Transaction,
)
from storage.chain import GENESIS, link
from storage.columns import json_text, microseconds
from storage.proposals import require_changeable
from storage.tables import OutboxState

T = TypeVar("T")
_SEED: Final = Control(scope=EVERYTHING, epoch=1, changed_by="system:migration")


@dataclass
class Tables:
    """The rows. A transaction works on a copy, which takes the place of the original at commit."""

    controls: dict[str, Control] = field(default_factory=lambda: {EVERYTHING: _SEED})
    proposals: dict[int, ActionProposal] = field(default_factory=dict)
    approvals: dict[int, tuple[Approval, ...]] = field(default_factory=dict)
    records: dict[int, ActionRecord] = field(default_factory=dict)
    audit: dict[int, AuditEvent] = field(default_factory=dict)
    checkpoints: dict[int, tuple[Checkpoint, str]] = field(default_factory=dict)
    outbox: dict[int, tuple[OutboxItem, OutboxState]] = field(default_factory=dict)
    messages: dict[tuple[OutboxKind, str], MessageRef] = field(default_factory=dict)
    inbox: dict[str, InboxEntry] = field(default_factory=dict)
    diagnoses: dict[int, Diagnosis] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    runs: dict[tuple[str, datetime], datetime] = field(default_factory=dict)
    leases: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    reviews: dict[int, Review] = field(default_factory=dict)
    lifted: dict[tuple[str, int, str], Lift] = field(default_factory=dict)
    reminders: dict[int, Reminder] = field(default_factory=dict)
    outbox_id: int = 0

    def copy(self) -> "Tables":
        return Tables(**{each.name: copy(getattr(self, each.name)) for each in fields(self)})


class MemoryStore:
    """See `actions.ports.Store`. With `failure` set, every write is refused with it."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.failure: StorageError | None = None
        self.writes = 0

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:  # noqa: ARG002 - nobody waits
        await asyncio.sleep(0)  # like a real one, so that others get their turn
        if self.failure is not None:
            raise self.failure
        tables = self.tables.copy()
        value = work(MemoryTransaction(tables))
        self.tables = tables
        self.writes += 1
        return value

    async def read(self, query: Callable[[Reader], T]) -> T:
        await asyncio.sleep(0)
        return query(MemoryReader(self.tables))

    async def close(self) -> None:
        self.failure = StorageError("The store was closed; nothing was recorded.")


class MemoryReader:
    """See `actions.ports.Reader`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def control(self, scope: str) -> Control:
        return self._tables.controls.get(scope, Control(scope=scope))

    def controls(self) -> list[Control]:
        return sorted(self._tables.controls.values(), key=lambda control: (control.scope != EVERYTHING, control.scope))

    def proposal(self, proposal_id: int) -> ActionProposal | None:
        return self._tables.proposals.get(proposal_id)

    def proposal_by_source(self, source_key: str) -> ActionProposal | None:
        return next((one for one in self._tables.proposals.values() if one.source_key == source_key), None)

    def proposals(
        self,
        *,
        statuses: Collection[ActionStatus] = (),
        subject: str | None = None,
        diagnosis_id: int | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[ActionProposal]:
        found = [
            one
            for one in reversed(self._tables.proposals.values())
            if (not statuses or one.status in statuses)
            and (subject is None or one.subject == subject)
            and (diagnosis_id is None or one.diagnosis_id == diagnosis_id)
            and (before_id is None or one.id < before_id)
        ]
        return found[:limit]

    def pending_of_earlier_epochs(self, limit: int) -> list[ActionProposal]:
        everywhere = self.control(EVERYTHING).epoch
        found = [
            one
            for one in self._with_status(PENDING)
            if one.epoch != everywhere or one.subject_epoch != self.control(one.subject).epoch
        ]
        return found[:limit]

    def overdue(self, now: datetime, limit: int) -> list[ActionProposal]:
        found = [
            one
            for one in self._with_status(PENDING)
            if one.expires_at <= now or (one.approval_expires_at is not None and one.approval_expires_at <= now)
        ]
        return found[:limit]

    def leases_run_out(self, now: datetime, limit: int) -> list[ActionProposal]:
        found = [one for one in self._with_status({EXECUTING}) if one.lease_until is not None and one.lease_until < now]
        return found[:limit]

    def in_flight_on(self, subject: str, target: str) -> ActionProposal | None:
        running = self._with_status(IN_FLIGHT)
        return next((one for one in running if (one.subject, one.target) == (subject, target)), None)

    def pending_on(self, subject: str, target: str) -> list[ActionProposal]:
        return [one for one in self._with_status(PENDING) if (one.subject, one.target) == (subject, target)]

    def replaced_by(self, proposal_id: int) -> int | None:
        return max((one.id for one in self._tables.proposals.values() if one.supersedes == proposal_id), default=None)

    def proposed_since(self, proposed_by: str, since: datetime) -> int:
        made = (one for one in self._tables.proposals.values() if one.proposed_by == proposed_by)
        return sum(one.proposed_at >= since for one in made)

    def review(self, proposal_id: int) -> Review | None:
        return self._tables.reviews.get(proposal_id)

    def open_reviews(self, limit: int) -> list[Review]:
        return [one for _, one in sorted(self._tables.reviews.items()) if one.closed_at is None][:limit]

    def lifts(self, scope: str, epoch: int) -> list[Lift]:
        found = [one for one in self._tables.lifted.values() if (one.scope, one.epoch) == (scope, epoch)]
        return sorted(found, key=lambda one: (one.at, one.person))

    def reminder(self, proposal_id: int) -> Reminder | None:
        return self._tables.reminders.get(proposal_id)

    def reminders_due(self, now: datetime, limit: int) -> list[Reminder]:
        due = [one for one in self._tables.reminders.values() if one.due_at <= now]
        return sorted(due, key=lambda one: (one.due_at, one.proposal_id))[:limit]

    def approvals(self, proposal_id: int) -> list[Approval]:
        return list(self._tables.approvals.get(proposal_id, ()))

    def record(self, proposal_id: int) -> ActionRecord | None:
        return self._tables.records.get(proposal_id)

    def attempts(self, subject: str, *, since: datetime, ended: bool = False, limit: int) -> list[ActionRecord]:
        found = [
            record
            for record in self._tables.records.values()
            if record.started_at >= since
            and (of := self._tables.proposals[record.proposal_id]).subject == subject
            and not (ended and of.status is EXECUTING)
        ]
        return sorted(found, key=lambda one: (one.started_at, one.proposal_id), reverse=True)[:limit]

    def dossier(self, proposal_id: int) -> Dossier | None:
        proposal = self.proposal(proposal_id)
        if proposal is None:
            return None
        return Dossier(
            proposal=proposal,
            approvals=tuple(self.approvals(proposal_id)),
            record=self.record(proposal_id),
            audit=tuple(self.audit(proposal_id=proposal_id, limit=10_000)),
            diagnosis=None if proposal.diagnosis_id is None else self.diagnosis(proposal.diagnosis_id),
            message=self.message(OutboxKind.CARD, str(proposal_id)),
            replaces=None if proposal.supersedes is None else self.proposal(proposal.supersedes),
            replaced_by=self.replaced_by(proposal_id),
            review=self.review(proposal_id) if proposal.break_glass else None,
        )

    def audit(
        self,
        *,
        proposal_id: int | None = None,
        after_seq: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1_000,
    ) -> list[AuditEvent]:
        found = [
            event
            for event in self._tables.audit.values()
            if event.seq > after_seq
            and (proposal_id is None or event.proposal_id == proposal_id)
            and (since is None or event.at >= since)
            and (until is None or event.at < until)
        ]
        return found[:limit]

    def audit_head(self, at: datetime) -> Checkpoint:
        last = len(self._tables.audit)
        return Checkpoint(seq=last, head=self._tables.audit[last].hash if last else GENESIS, count=last, at=at)

    def audit_event(self, seq: int) -> AuditEvent | None:
        return self._tables.audit.get(seq)

    def diagnosis(self, diagnosis_id: int) -> Diagnosis | None:
        return self._tables.diagnoses.get(diagnosis_id)

    def diagnosis_by_source(self, source_key: str) -> Diagnosis | None:
        return next((one for one in self._tables.diagnoses.values() if one.source_key == source_key), None)

    def ticket(self, key: str) -> Ticket | None:
        return self._tables.tickets.get(key)

    def tickets(self, *, subject: str | None = None, open_only: bool = True) -> list[Ticket]:
        found = [
            ticket
            for ticket in self._tables.tickets.values()
            if (subject is None or ticket.subject == subject) and (not open_only or ticket.status is TicketStatus.OPEN)
        ]
        return sorted(found, key=lambda ticket: (ticket.opened_at, ticket.key))

    def message(self, kind: OutboxKind, ref: str) -> MessageRef | None:
        return self._tables.messages.get((kind, ref))

    def message_at(self, channel_id: str, ts: str) -> MessageRef | None:
        shown = self._tables.messages.values()
        return next((one for one in shown if (one.channel_id, one.ts) == (channel_id, ts)), None)

    def outbox_due(self, now: datetime, limit: int) -> list[OutboxItem]:
        due = [item for item, state in self._tables.outbox.values() if state is OutboxState.DUE and item.due_at <= now]
        return sorted(due, key=lambda item: (item.due_at, item.id))[:limit]

    def inbox(self, key: str) -> InboxEntry | None:
        return self._tables.inbox.get(key)

    def lease_holder(self, name: str, now: datetime) -> str | None:
        owner, until = self._tables.leases.get(name, (None, now))
        return owner if until > now else None

    def _with_status(self, statuses: Collection[ActionStatus]) -> list[ActionProposal]:
        return [one for one in self._tables.proposals.values() if one.status in statuses]


class MemoryTransaction(MemoryReader):
    """See `actions.ports.Transaction`."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._locked: set[str] = set()

    def lock_control(self, scope: str) -> Control:
        self._locked.add(scope)
        return self.control(scope)

    def set_control(self, control: Control) -> None:
        if control.scope not in self._locked:
            raise RuntimeError(f"control row {control.scope!r} is not locked in this transaction")
        self._tables.controls[control.scope] = control

    def insert_proposal(self, proposal: ActionProposal) -> ActionProposal | None:
        if self.proposal_by_source(proposal.source_key) is not None:
            return None
        self._require(proposal.diagnosis_id is None or proposal.diagnosis_id in self._tables.diagnoses)
        for other in (proposal.retry_of, proposal.supersedes, proposal.undo_of):
            self._require(other is None or other in self._tables.proposals)
        self._require(all(one.token != proposal.token for one in self._tables.proposals.values()))
        stored = _as_stored(replace(proposal, id=len(self._tables.proposals) + 1))
        self._tables.proposals[stored.id] = stored
        return stored

    def move(self, proposal: ActionProposal, to: ActionStatus, changes: Mapping[str, object]) -> ActionProposal | None:
        require_changeable(changes)
        current = self.proposal(proposal.id)
        if current is None or _guard(current) != _guard(proposal):
            return None
        if to in IN_FLIGHT:
            other = self.in_flight_on(current.subject, current.target)
            if other is not None and other.id != current.id:
                return None
        values: dict[str, Any] = {**changes, "status": to, "version": current.version + 1}
        moved = _as_stored(replace(current, **values))
        self._require(moved.attempts <= 1)
        self._tables.proposals[moved.id] = moved
        return moved

    def renew_lease(self, proposal_id: int, *, fence: int, until: datetime) -> bool:
        current = self.proposal(proposal_id)
        if current is None or current.status is not EXECUTING or current.fence != fence:
            return False
        self._tables.proposals[proposal_id] = replace(current, lease_until=until)
        return True

    def insert_approval(self, approval: Approval) -> bool:
        self._require(approval.proposal_id in self._tables.proposals)
        earlier = self._tables.approvals.get(approval.proposal_id, ())
        if any(one.person == approval.person for one in earlier):
            return False
        self._tables.approvals[approval.proposal_id] = (*earlier, approval)
        return True

    def save_review(self, review: Review) -> None:
        self._require(review.proposal_id in self._tables.proposals)
        self._tables.reviews[review.proposal_id] = review

    def save_lift(self, lift: Lift) -> None:
        self._tables.lifted[lift.scope, lift.epoch, lift.person] = lift

    def save_reminder(self, reminder: Reminder) -> None:
        self._require(reminder.proposal_id in self._tables.proposals)
        self._tables.reminders[reminder.proposal_id] = reminder

    def drop_reminder(self, proposal_id: int) -> None:
        self._tables.reminders.pop(proposal_id, None)

    def save_record(self, record: ActionRecord) -> None:
        self._require(record.proposal_id in self._tables.proposals)
        earlier = self.record(record.proposal_id)
        if earlier is None or earlier.fence <= record.fence:
            self._tables.records[record.proposal_id] = record

    def append_audit(self, entry: AuditEntry) -> AuditEvent:
        self._require(entry.proposal_id is None or entry.proposal_id in self._tables.proposals)
        head = self.audit_head(entry.at)
        data = json_text(entry.data)
        event = AuditEvent(
            seq=head.seq + 1,
            at=entry.at,
            proposal_id=entry.proposal_id,
            event=entry.event,
            actor=entry.actor,
            via=entry.via,
            data=orjson.loads(data),
            prev=head.head,
            hash=link(
                head.seq + 1,
                microseconds(entry.at),
                entry.proposal_id,
                entry.event,
                entry.actor,
                entry.via.value,
                data,
                head.head,
            ),
        )
        self._tables.audit[event.seq] = event
        return event

    def save_checkpoint(self, checkpoint: Checkpoint, witness: str) -> None:
        self._tables.checkpoints[len(self._tables.checkpoints) + 1] = (checkpoint, witness)

    def enqueue(self, kind: OutboxKind, ref: str, *, at: datetime, payload: Mapping[str, Json] | None = None) -> None:
        kept = orjson.loads(canonical_json(payload or {}))
        earlier = self._undelivered(kind, ref)
        if earlier is None:
            self._tables.outbox_id += 1
            item = OutboxItem(
                id=self._tables.outbox_id,
                kind=kind,
                ref=ref,
                version=1,
                payload=kept,
                attempts=0,
                due_at=at,
                created_at=at,
            )
            self._tables.outbox[item.id] = (item, OutboxState.DUE)
            return
        item, state = earlier
        item = replace(item, version=item.version + 1, payload=kept)
        if state is OutboxState.GIVEN_UP:
            item = replace(item, attempts=0, error="", due_at=at)
        elif not item.attempts:
            item = replace(item, due_at=min(at, item.due_at))
        self._tables.outbox[item.id] = (item, OutboxState.DUE)

    def outbox_delivered(self, item: OutboxItem) -> None:
        self._settle(item, OutboxState.DELIVERED, item.error)

    def outbox_retry(self, item: OutboxItem, *, due_at: datetime, error: str) -> None:
        current, state = self._tables.outbox.get(item.id, (item, OutboxState.DELIVERED))
        if state is OutboxState.DUE:
            again = replace(current, attempts=current.attempts + 1, due_at=due_at, error=error)
            self._tables.outbox[item.id] = (again, state)

    def outbox_give_up(self, item: OutboxItem, *, error: str) -> None:
        self._settle(item, OutboxState.GIVEN_UP, error)

    def record_message(self, message: MessageRef) -> MessageRef:
        return self._tables.messages.setdefault((message.kind, message.ref), message)

    def forget_message(self, kind: OutboxKind, ref: str) -> None:
        self._tables.messages.pop((kind, ref), None)

    def take_inbox(self, key: str, *, body_hash: str, reply: str, at: datetime) -> InboxEntry | None:
        earlier = self.inbox(key)
        if earlier is None:
            self._tables.inbox[key] = InboxEntry(key=key, body_hash=body_hash, reply=reply, at=at)
        return earlier

    def insert_diagnosis(
        self,
        output: DiagnosisOutput,
        *,
        source_key: str,
        subject: str,
        target: str,
        source: str,
        made_at: datetime,
        observed_only: bool,
        channel: str | None = None,
        ticket_key: str | None = None,
    ) -> Diagnosis | None:
        if self.diagnosis_by_source(source_key) is not None:
            return None
        diagnosis = Diagnosis(
            id=len(self._tables.diagnoses) + 1,
            source_key=source_key,
            subject=subject,
            target=target,
            source=source,
            output=output,
            made_at=made_at,
            observed_only=observed_only,
            channel=channel,
            ticket_key=ticket_key,
        )
        self._tables.diagnoses[diagnosis.id] = diagnosis
        return diagnosis

    def save_ticket(self, ticket: Ticket) -> None:
        self._require(ticket.diagnosis_id is None or ticket.diagnosis_id in self._tables.diagnoses)
        self._tables.tickets[ticket.key] = ticket

    def claim_run(self, job: str, fire_at: datetime, at: datetime) -> bool:
        if (job, fire_at) in self._tables.runs:
            return False
        self._tables.runs[job, fire_at] = at
        return True

    def hold_lease(self, name: str, owner: str, *, now: datetime, until: datetime) -> bool:
        if self.lease_holder(name, now) not in {None, owner}:
            return False
        self._tables.leases[name] = (owner, until)
        return True

    def drop_lease(self, name: str, owner: str) -> None:
        if self._tables.leases.get(name, ("", None))[0] == owner:
            del self._tables.leases[name]

    def prune(self, *, before: datetime, limit: int) -> int:
        items = [
            item.id
            for item, state in self._tables.outbox.values()
            if state is OutboxState.DELIVERED and item.created_at < before
        ][:limit]
        keys = [key for key, entry in self._tables.inbox.items() if entry.at < before][: limit - len(items)]
        for item_id in items:
            del self._tables.outbox[item_id]
        for key in keys:
            del self._tables.inbox[key]
        return len(items) + len(keys)

    def _undelivered(self, kind: OutboxKind, ref: str) -> tuple[OutboxItem, OutboxState] | None:
        rows = self._tables.outbox.values()
        return next(
            (
                (item, state)
                for item, state in rows
                if (item.kind, item.ref) == (kind, ref) and state is not OutboxState.DELIVERED
            ),
            None,
        )

    def _settle(self, item: OutboxItem, to: OutboxState, error: str) -> None:
        current, state = self._tables.outbox.get(item.id, (item, OutboxState.DELIVERED))
        if state is OutboxState.DUE and current.version == item.version:
            self._tables.outbox[item.id] = (replace(current, error=error), to)

    def _require(self, rule: bool) -> None:
        if not rule:
            raise StorageError("The store refused a row that breaks one of its own rules; nothing was recorded.")


def _guard(proposal: ActionProposal) -> tuple[ActionStatus, int, int]:
    return proposal.status, proposal.version, proposal.fence


def _as_stored(proposal: ActionProposal) -> ActionProposal:
    # What a database gives back has lists where the caller's parameters may have had tuples.
    columns = ("parameters", "pins", "before")
    for each in fields(proposal):
        if isinstance(at := getattr(proposal, each.name), datetime):
            microseconds(at)  # raises for a time that no column can hold
    return replace(proposal, **{name: orjson.loads(canonical_json(getattr(proposal, name))) for name in columns})
