"""The tables, once: SQLModel classes whose columns bear the names of the records' fields.

The migrations build the same schema step by step; a test holds the two together.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

from actions.diagnosis.models import Refused, TicketStatus
from actions.lifecycle import IN_FLIGHT, PENDING
from actions.models import (
    ActionStatus,
    Fact,
    FailureOutcome,
    ReasonCode,
    Risk,
    SafetyMode,
    Step,
    SuccessOutcome,
    Urgency,
    Via,
)
from actions.ports import OutboxKind
from storage.columns import EnumText, JsonText, Lines, Rows, UtcTime


class OutboxState(StrEnum):
    """What became of an outbox item."""

    DUE = "due"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


def one_of(column: str, members: Iterable[StrEnum]) -> str:
    """Return the SQL condition, the same text in queries and partial indexes, so that the planner sees they agree."""
    values = sorted(f"'{member.value}'" for member in members)
    return f"{column} IN ({', '.join(values)})"


PENDING_SQL: Final = one_of("status", PENDING)
APPROVAL_PENDING_SQL: Final = f"approval_expires_at IS NOT NULL AND {PENDING_SQL}"
SUPERSEDING_SQL: Final = "supersedes IS NOT NULL"
OPEN_REVIEW_SQL: Final = "closed_at IS NULL"
IN_FLIGHT_SQL: Final = one_of("status", IN_FLIGHT)
UNDELIVERED_SQL: Final = f"state != '{OutboxState.DELIVERED.value}'"
# In SQLite only a column declared INTEGER is the row's own number.
_KEY: Final = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Any:
    return Field(default=None, sa_column=Column(_KEY, primary_key=True))


def _given_id(references: str | None = None) -> Any:
    keys = [ForeignKey(references)] if references else []
    return Field(sa_column=Column(_KEY, *keys, primary_key=True, autoincrement=False))


def _time(*, null: bool = False) -> Any:
    return Field(sa_column=Column(UtcTime(), nullable=null))


def _text(*, null: bool = False, key: bool = False) -> Any:
    return Field(sa_column=Column(Text, nullable=null, primary_key=key))


def _number(*, null: bool = False, references: str | None = None) -> Any:
    keys = [ForeignKey(references)] if references else []
    return Field(sa_column=Column(BigInteger, *keys, nullable=null))


def _kept_as(kind: TypeEngine[Any], *, null: bool = False, key: bool = False) -> Any:
    return Field(sa_column=Column(kind, nullable=null, primary_key=key))


def _checked(table: str, column: str, enum: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(one_of(column, enum), name=f"{table}_{column}")


class DiagnosisRow(SQLModel, table=True):
    """See `actions.diagnosis.models.Diagnosis`."""

    __tablename__ = "diagnoses"
    __table_args__ = (UniqueConstraint("source_key", name="diagnoses_source_key"), {"sqlite_autoincrement": True})

    id: int | None = _id()
    source_key: str = _text()
    subject: str = _text()
    target: str = _text()
    source: str = _text()
    output: str = _text()
    made_at: datetime = _time()
    observed_only: bool
    channel: str | None = _text(null=True)
    ticket_key: str | None = _text(null=True)


class ProposalRow(SQLModel, table=True):
    """See `actions.models.ActionProposal`; the columns are its fields, in its order."""

    __tablename__ = "proposals"
    __table_args__ = (
        UniqueConstraint("token", name="proposals_token"),
        UniqueConstraint("source_key", name="proposals_source_key"),
        CheckConstraint("attempts <= 1", name="proposals_attempts"),
        _checked("proposals", "status", ActionStatus),
        Index(
            "proposals_one_in_flight",
            "subject",
            "target",
            unique=True,
            sqlite_where=text(IN_FLIGHT_SQL),
            postgresql_where=text(IN_FLIGHT_SQL),
        ),
        Index(
            "proposals_waiting",
            "subject",
            "target",
            sqlite_where=text(PENDING_SQL),
            postgresql_where=text(PENDING_SQL),
        ),
        Index("proposals_expiry", "expires_at", sqlite_where=text(PENDING_SQL), postgresql_where=text(PENDING_SQL)),
        Index(
            "proposals_approval_expiry",
            "approval_expires_at",
            sqlite_where=text(APPROVAL_PENDING_SQL),
            postgresql_where=text(APPROVAL_PENDING_SQL),
        ),
        Index("proposals_status", "status", "id"),
        Index("proposals_subject", "subject", "id"),
        Index("proposals_diagnosis", "diagnosis_id", "id"),
        Index("proposals_source", "proposed_by", "proposed_at"),
        Index(
            "proposals_supersedes",
            "supersedes",
            sqlite_where=text(SUPERSEDING_SQL),
            postgresql_where=text(SUPERSEDING_SQL),
        ),
        {"sqlite_autoincrement": True},
    )

    id: int | None = _id()
    token: str = _text()
    button_hash: str = _text()
    source_key: str = _text()
    action_name: str = _text()
    definition_hash: str = _text()
    parameters: dict[str, Any] = _kept_as(JsonText())
    params_hash: str = _text()
    subject: str = _text()
    target: str = _text()
    risk: Risk = _kept_as(EnumText((Risk,)))
    required_approvals: int = _number()
    reason: str = _text()
    urgency: Urgency = _kept_as(EnumText((Urgency,)))
    expected_outcome: str = _text()
    risks: tuple[str, ...] = _kept_as(Lines())
    proposed_by: str = _text()
    proposed_at: datetime = _time()
    expires_at: datetime = _time()
    epoch: int = _number()
    subject_epoch: int = _number()
    status: ActionStatus = _kept_as(EnumText((ActionStatus,)))
    version: int = _number()
    diagnosis_id: int | None = _number(null=True, references="diagnoses.id")
    channel: str | None = _text(null=True)
    retry_of: int | None = _number(null=True, references="proposals.id")
    supersedes: int | None = _number(null=True, references="proposals.id")
    undo_of: int | None = _number(null=True, references="proposals.id")
    break_glass: str = _text()
    pins: dict[str, Any] = _kept_as(JsonText())
    before: dict[str, Any] = _kept_as(JsonText())
    impact: tuple[Any, ...] = _kept_as(Rows(Fact))
    approved_at: datetime | None = _time(null=True)
    approval_expires_at: datetime | None = _time(null=True)
    not_before: datetime | None = _time(null=True)
    attempts: int = _number()
    owner: str | None = _text(null=True)
    fence: int = _number()
    lease_until: datetime | None = _time(null=True)
    outcome: FailureOutcome | SuccessOutcome | None = _kept_as(EnumText((FailureOutcome, SuccessOutcome)), null=True)
    reason_code: ReasonCode | None = _kept_as(EnumText((ReasonCode,)), null=True)
    detail: str = _text()


class ApprovalRow(SQLModel, table=True):
    """See `actions.models.Approval`."""

    __tablename__ = "approvals"
    __table_args__ = (
        UniqueConstraint("proposal_id", "person", name="approvals_once_per_person"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = _id()
    proposal_id: int = _number(references="proposals.id")
    person: str = _text()
    actor: str = _text()
    via: Via = _kept_as(EnumText((Via,)))
    params_hash: str = _text()
    at: datetime = _time()
    groups: tuple[str, ...] = _kept_as(Lines())


class ReviewRow(SQLModel, table=True):
    """See `actions.models.Review`."""

    __tablename__ = "reviews"
    __table_args__ = (
        Index(
            "reviews_open",
            "proposal_id",
            sqlite_where=text(OPEN_REVIEW_SQL),
            postgresql_where=text(OPEN_REVIEW_SQL),
        ),
    )

    proposal_id: int = _given_id("proposals.id")
    opened_at: datetime = _time()
    opened_by: str = _text()
    person: str = _text()
    reason: str = _text()
    closed_at: datetime | None = _time(null=True)
    closed_by: str | None = _text(null=True)
    comment: str = _text()


class LiftRow(SQLModel, table=True):
    """See `actions.models.Lift`."""

    __tablename__ = "lifts"

    scope: str = _text(key=True)
    epoch: int = _given_id()
    person: str = _text(key=True)
    actor: str = _text()
    at: datetime = _time()
    reason: str = _text()


class ReminderRow(SQLModel, table=True):
    """See `actions.models.Reminder`."""

    __tablename__ = "reminders"
    __table_args__ = (Index("reminders_due", "due_at"),)

    proposal_id: int = _given_id("proposals.id")
    due_at: datetime = _time()
    sent: int = _number()


class RecordRow(SQLModel, table=True):
    """See `actions.models.ActionRecord`."""

    __tablename__ = "records"
    __table_args__ = (Index("records_started", "started_at", "proposal_id"),)

    proposal_id: int = _given_id("proposals.id")
    token: str = _text()
    owner: str = _text()
    fence: int = _number()
    started_at: datetime = _time()
    finished_at: datetime | None = _time(null=True)
    steps: tuple[Any, ...] = _kept_as(Rows(Step))
    result: str = _text()
    evidence: tuple[Any, ...] = _kept_as(Rows(Fact))


class ControlRow(SQLModel, table=True):
    """See `actions.models.Control`; plain columns, because an unreadable row must still be readable as observe."""

    __tablename__ = "control"
    __table_args__ = (_checked("control", "mode", SafetyMode), _checked("control", "stopped_as", ReasonCode))

    scope: str = _text(key=True)
    mode: str = _text()
    epoch: int = _number()
    changed_by: str = _text()
    changed_at: int | None = _number(null=True)
    reason: str = _text()
    stopped_as: str = _text()


class AuditRow(SQLModel, table=True):
    """See `actions.models.AuditEvent`; `data` is the canonical text that the hash covers."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_proposal", "proposal_id", "seq"), Index("audit_at", "at"))

    seq: int = _given_id()
    at: datetime = _time()
    proposal_id: int | None = _number(null=True, references="proposals.id")
    event: str = _text()
    actor: str = _text()
    via: Via = _kept_as(EnumText((Via,)))
    data: str = _text()
    prev: str = _text()
    hash: str = _text()


class CheckpointRow(SQLModel, table=True):
    """See `actions.models.Checkpoint`; which witness was given it."""

    __tablename__ = "checkpoints"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = _id()
    seq: int = _number()
    head: str = _text()
    count: int = _number()
    at: datetime = _time()
    witness: str = _text()


class OutboxRow(SQLModel, table=True):
    """See `actions.ports.OutboxItem`."""

    __tablename__ = "outbox"
    __table_args__ = (
        _checked("outbox", "state", OutboxState),
        Index(
            "outbox_one_undelivered",
            "kind",
            "ref",
            unique=True,
            sqlite_where=text(UNDELIVERED_SQL),
            postgresql_where=text(UNDELIVERED_SQL),
        ),
        Index("outbox_state", "state", "due_at", "id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = _id()
    kind: OutboxKind = _kept_as(EnumText((OutboxKind,)))
    ref: str = _text()
    version: int = _number()
    payload: dict[str, Any] = _kept_as(JsonText())
    attempts: int = _number()
    due_at: datetime = _time()
    created_at: datetime = _time()
    error: str = _text()
    state: OutboxState = _kept_as(EnumText((OutboxState,)))


class MessageRow(SQLModel, table=True):
    """See `actions.ports.MessageRef`."""

    __tablename__ = "messages"
    __table_args__ = (Index("messages_place", "channel_id", "ts"),)

    kind: OutboxKind = _kept_as(EnumText((OutboxKind,)), key=True)
    ref: str = _text(key=True)
    team_id: str = _text()
    channel_id: str = _text()
    ts: str = _text()


class InboxRow(SQLModel, table=True):
    """See `actions.ports.InboxEntry`."""

    __tablename__ = "inbox"
    __table_args__ = (Index("inbox_at", "at"),)

    key: str = _text(key=True)
    body_hash: str = _text()
    reply: str = _text()
    at: datetime = _time()


class TicketRow(SQLModel, table=True):
    """See `actions.diagnosis.models.Ticket`."""

    __tablename__ = "tickets"
    __table_args__ = (_checked("tickets", "status", TicketStatus), Index("tickets_status", "status", "opened_at"))

    key: str = _text(key=True)
    subject: str = _text()
    rule: str = _text()
    target: str = _text()
    status: TicketStatus = _kept_as(EnumText((TicketStatus,)))
    opened_at: datetime = _time()
    last_seen_at: datetime = _time()
    resolved_at: datetime | None = _time(null=True)
    occurrences: int = _number()
    reopened: int = _number()
    diagnosis_id: int | None = _number(null=True, references="diagnoses.id")
    epoch: int | None = _number(null=True)
    refused: tuple[Any, ...] = _kept_as(Rows(Refused))


class JobRunRow(SQLModel, table=True):
    """One firing of a scheduled job, claimed by the process that ran it."""

    __tablename__ = "job_runs"

    job: str = _text(key=True)
    fire_at: datetime = _kept_as(UtcTime(), key=True)
    at: datetime = _time()


class LeaseRow(SQLModel, table=True):
    """A named lease: who holds it, and until when."""

    __tablename__ = "leases"

    name: str = _text(key=True)
    owner: str = _text()
    until: datetime = _time()


def _table(row: type[SQLModel]) -> Table:
    return row.metadata.tables[str(row.__tablename__)]


DIAGNOSES: Final = _table(DiagnosisRow)
PROPOSALS: Final = _table(ProposalRow)
APPROVALS: Final = _table(ApprovalRow)
RECORDS: Final = _table(RecordRow)
REVIEWS: Final = _table(ReviewRow)
LIFTS: Final = _table(LiftRow)
REMINDERS: Final = _table(ReminderRow)
CONTROL: Final = _table(ControlRow)
AUDIT: Final = _table(AuditRow)
CHECKPOINTS: Final = _table(CheckpointRow)
OUTBOX: Final = _table(OutboxRow)
MESSAGES: Final = _table(MessageRow)
INBOX: Final = _table(InboxRow)
TICKETS: Final = _table(TicketRow)
JOB_RUNS: Final = _table(JobRunRow)
LEASES: Final = _table(LeaseRow)
