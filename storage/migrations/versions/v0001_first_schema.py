"""The first schema: proposals and their audit log, safety, delivery, diagnoses; observe until somebody says otherwise.

A migration is history: it names everything itself and imports nothing of this project.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_PENDING = "status IN ('approved', 'proposed', 'validated')"
_IN_FLIGHT = "status IN ('executing', 'unknown')"
_UNDELIVERED = "state != 'delivered'"
_REASON_CODES = "'denied_by_policy', 'invalid', 'kill_switch', 'mode_observe', 'stale', 'superseded', 'user'"
_STATUSES = "'approved', 'cancelled', 'completed', 'executing', 'expired', 'failed', 'proposed', 'unknown', 'validated'"

_SUBJECT_MATTER = (
    "id, token, button_hash, source_key, action_name, definition_hash, parameters, params_hash, subject, target"
)
_TRIGGERS = {
    "audit_is_not_edited BEFORE UPDATE ON audit": "the audit log is only added to",
    "audit_is_not_deleted BEFORE DELETE ON audit": "the audit log is only added to",
    "checkpoints_are_not_edited BEFORE UPDATE ON checkpoints": "checkpoints are only added",
    "checkpoints_are_not_deleted BEFORE DELETE ON checkpoints": "checkpoints are only added",
    "approvals_are_not_edited BEFORE UPDATE ON approvals": "an approval is never changed",
    "approvals_are_not_deleted BEFORE DELETE ON approvals": "an approval is never taken back",
    f"proposals_keep_their_matter BEFORE UPDATE OF {_SUBJECT_MATTER} ON proposals": (
        "what was proposed is never changed"
    ),
    "proposals_are_not_deleted BEFORE DELETE ON proposals": "a proposal is never deleted",
    (
        "proposals_only_go_on BEFORE UPDATE ON proposals WHEN NEW.version < OLD.version OR NEW.fence < OLD.fence"
    ): "version and fence only grow",
}
_EMPTYING = {
    "audit_is_not_emptied BEFORE TRUNCATE ON audit": "the audit log is only added to",
    "checkpoints_are_not_emptied BEFORE TRUNCATE ON checkpoints": "checkpoints are only added",
    "approvals_are_not_emptied BEFORE TRUNCATE ON approvals": "an approval is never taken back",
    "proposals_are_not_emptied BEFORE TRUNCATE ON proposals": "a proposal is never deleted",
}
_REFUSE = """
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation';
END"""


def upgrade() -> None:
    _diagnosis_tables()
    _proposals()
    _approvals_and_records()
    _reviews_and_reminders()
    _audit_tables()
    _control()
    _delivery_tables()
    _once_only_tables()
    _OF_ITS_OWN[op.get_bind().dialect.name]()


def _sqlite_guards() -> None:
    for occasion, refusal in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {occasion} BEGIN SELECT RAISE(ABORT, '{refusal}'); END")


def _postgresql_guards() -> None:
    op.execute(f"CREATE FUNCTION operator_refuses() RETURNS trigger LANGUAGE plpgsql AS $${_REFUSE}$$")
    for occasion, refusal in _TRIGGERS.items():
        event, _, condition = occasion.partition(" WHEN ")
        when = f"WHEN ({condition}) " if condition else ""
        op.execute(f"CREATE TRIGGER {event} FOR EACH ROW {when}EXECUTE FUNCTION operator_refuses('{refusal}')")
    for occasion, refusal in _EMPTYING.items():
        op.execute(f"CREATE TRIGGER {occasion} FOR EACH STATEMENT EXECUTE FUNCTION operator_refuses('{refusal}')")


def _postgresql_commits() -> None:
    # What each writer committed last, for when the answer to a COMMIT is lost.
    op.create_table(
        "commits",
        _text("writer", key=True),
        _number("batch"),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
    )


def _postgresql_alone() -> None:
    _postgresql_guards()
    _postgresql_commits()


_OF_ITS_OWN = {"sqlite": _sqlite_guards, "postgresql": _postgresql_alone}


def _diagnosis_tables() -> None:
    op.create_table(
        "diagnoses",
        _counted(),
        _text("source_key"),
        _text("subject"),
        _text("target"),
        _text("source"),
        _text("output"),
        _number("made_at"),
        sa.Column("observed_only", sa.Boolean, nullable=False),
        _text("channel", null=True),
        _text("ticket_key", null=True),
        sa.UniqueConstraint("source_key", name="diagnoses_source_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tickets",
        _text("key", key=True),
        _text("subject"),
        _text("rule"),
        _text("target"),
        _text("status"),
        _number("opened_at"),
        _number("last_seen_at"),
        _number("resolved_at", null=True),
        _number("occurrences"),
        _number("reopened"),
        _number("diagnosis_id", null=True, references="diagnoses.id"),
        _number("epoch", null=True),
        _text("refused"),
        sa.CheckConstraint("status IN ('open', 'resolved')", name="tickets_status"),
    )
    op.create_index("tickets_status", "tickets", ["status", "opened_at"])


def _proposals() -> None:
    op.create_table(
        "proposals",
        _counted(),
        _text("token"),
        _text("button_hash"),
        _text("source_key"),
        _text("action_name"),
        _text("definition_hash"),
        _text("parameters"),
        _text("params_hash"),
        _text("subject"),
        _text("target"),
        _text("risk"),
        _number("required_approvals"),
        _text("reason"),
        _text("urgency"),
        _text("expected_outcome"),
        _text("risks"),
        _text("proposed_by"),
        _number("proposed_at"),
        _number("expires_at"),
        _number("epoch"),
        _number("subject_epoch"),
        _text("status"),
        _number("version"),
        _number("diagnosis_id", null=True, references="diagnoses.id"),
        _text("channel", null=True),
        _number("retry_of", null=True, references="proposals.id"),
        _number("supersedes", null=True, references="proposals.id"),
        _number("undo_of", null=True, references="proposals.id"),
        _text("break_glass"),
        _text("pins"),
        _text("before"),
        _text("impact"),
        _number("approved_at", null=True),
        _number("approval_expires_at", null=True),
        _number("not_before", null=True),
        _number("attempts"),
        _text("owner", null=True),
        _number("fence"),
        _number("lease_until", null=True),
        _text("outcome", null=True),
        _text("reason_code", null=True),
        _text("detail"),
        sa.UniqueConstraint("token", name="proposals_token"),
        sa.UniqueConstraint("source_key", name="proposals_source_key"),
        sa.CheckConstraint("attempts <= 1", name="proposals_attempts"),
        sa.CheckConstraint(f"status IN ({_STATUSES})", name="proposals_status"),
        sqlite_autoincrement=True,
    )
    _partial_index("proposals_one_in_flight", "proposals", ["subject", "target"], _IN_FLIGHT, unique=True)
    _partial_index("proposals_waiting", "proposals", ["subject", "target"], _PENDING)
    _partial_index("proposals_expiry", "proposals", ["expires_at"], _PENDING)
    _partial_index(
        "proposals_approval_expiry",
        "proposals",
        ["approval_expires_at"],
        f"approval_expires_at IS NOT NULL AND {_PENDING}",
    )
    op.create_index("proposals_status", "proposals", ["status", "id"])
    op.create_index("proposals_subject", "proposals", ["subject", "id"])
    op.create_index("proposals_diagnosis", "proposals", ["diagnosis_id", "id"])
    op.create_index("proposals_source", "proposals", ["proposed_by", "proposed_at"])
    _partial_index("proposals_supersedes", "proposals", ["supersedes"], "supersedes IS NOT NULL")


def _approvals_and_records() -> None:
    op.create_table(
        "approvals",
        _counted(),
        _number("proposal_id", references="proposals.id"),
        _text("person"),
        _text("actor"),
        _text("via"),
        _text("params_hash"),
        _number("at"),
        _text("groups"),
        sa.UniqueConstraint("proposal_id", "person", name="approvals_once_per_person"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "records",
        _given("proposal_id", references="proposals.id"),
        _text("token"),
        _text("owner"),
        _number("fence"),
        _number("started_at"),
        _number("finished_at", null=True),
        _text("steps"),
        _text("result"),
        _text("evidence"),
    )
    op.create_index("records_started", "records", ["started_at", "proposal_id"])


def _reviews_and_reminders() -> None:
    op.create_table(
        "reviews",
        _given("proposal_id", references="proposals.id"),
        _number("opened_at"),
        _text("opened_by"),
        _text("person"),
        _text("reason"),
        _number("closed_at", null=True),
        _text("closed_by", null=True),
        _text("comment"),
    )
    _partial_index("reviews_open", "reviews", ["proposal_id"], "closed_at IS NULL")
    op.create_table(
        "reminders",
        _given("proposal_id", references="proposals.id"),
        _number("due_at"),
        _number("sent"),
    )
    op.create_index("reminders_due", "reminders", ["due_at"])


def _audit_tables() -> None:
    op.create_table(
        "audit",
        _given("seq"),
        _number("at"),
        _number("proposal_id", null=True, references="proposals.id"),
        _text("event"),
        _text("actor"),
        _text("via"),
        _text("data"),
        _text("prev"),
        _text("hash"),
    )
    op.create_index("audit_proposal", "audit", ["proposal_id", "seq"])
    op.create_index("audit_at", "audit", ["at"])
    op.create_table(
        "checkpoints",
        _counted(),
        _number("seq"),
        _text("head"),
        _number("count"),
        _number("at"),
        _text("witness"),
        sqlite_autoincrement=True,
    )


def _control() -> None:
    control = op.create_table(
        "control",
        _text("scope", key=True),
        _text("mode"),
        _number("epoch"),
        _text("changed_by"),
        _number("changed_at", null=True),
        _text("reason"),
        _text("stopped_as"),
        sa.CheckConstraint("mode IN ('execute', 'observe')", name="control_mode"),
        sa.CheckConstraint(f"stopped_as IN ({_REASON_CODES})", name="control_stopped_as"),
    )
    op.bulk_insert(
        control,
        [
            {
                "scope": "*",
                "mode": "observe",
                "epoch": 1,
                "changed_by": "system:migration",
                "changed_at": None,
                "reason": "",
                "stopped_as": "mode_observe",
            }
        ],
    )

    op.create_table(
        "lifts",
        _text("scope", key=True),
        _given("epoch"),
        _text("person", key=True),
        _text("actor"),
        _number("at"),
        _text("reason"),
    )


def _delivery_tables() -> None:
    op.create_table(
        "outbox",
        _counted(),
        _text("kind"),
        _text("ref"),
        _number("version"),
        _text("payload"),
        _number("attempts"),
        _number("due_at"),
        _number("created_at"),
        _text("error"),
        _text("state"),
        sa.CheckConstraint("state IN ('delivered', 'due', 'given_up')", name="outbox_state"),
        sqlite_autoincrement=True,
    )
    _partial_index("outbox_one_undelivered", "outbox", ["kind", "ref"], _UNDELIVERED, unique=True)
    op.create_index("outbox_state", "outbox", ["state", "due_at", "id"])
    op.create_table(
        "messages", _text("kind", key=True), _text("ref", key=True), _text("team_id"), _text("channel_id"), _text("ts")
    )
    op.create_index("messages_place", "messages", ["channel_id", "ts"])


def _once_only_tables() -> None:
    op.create_table("inbox", _text("key", key=True), _text("body_hash"), _text("reply"), _number("at"))
    op.create_index("inbox_at", "inbox", ["at"])
    op.create_table("job_runs", _text("job", key=True), _number("fire_at", key=True), _number("at"))
    op.create_table("leases", _text("name", key=True), _text("owner"), _number("until"))


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _key() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _counted() -> sa.Column[int]:
    return sa.Column("id", _key(), primary_key=True)


def _given(name: str, *, references: str | None = None) -> sa.Column[int]:
    return sa.Column(name, _key(), *_references(references), primary_key=True, autoincrement=False)


def _text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    # In PostgreSQL text compares byte by byte, as in SQLite: a new version of a language's rules breaks no index.
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=null, primary_key=key)


def _number(name: str, *, null: bool = False, key: bool = False, references: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, *_references(references), nullable=null, primary_key=key, autoincrement=False)


def _references(column: str | None) -> list[sa.ForeignKey]:
    return [] if column is None else [sa.ForeignKey(column)]
