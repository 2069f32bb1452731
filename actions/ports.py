"""What the core needs from the world outside, as contracts.

All decisions are made inside `Store.write`: a synchronous function over a `Transaction`, run by the store's one writer.
`storage` implements it over a database, the tests' memory store in dictionaries; both pass the same contract tests.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from actions.canonical import Json
from actions.diagnosis.models import Diagnosis, DiagnosisOutput, Ticket
from actions.models import (
    ActionProposal,
    ActionRecord,
    ActionStatus,
    Actor,
    Approval,
    AuditEvent,
    Checkpoint,
    Control,
    Lift,
    Reminder,
    Review,
    Risk,
    Verb,
    Via,
)

T = TypeVar("T")


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from a clock that never steps back, for measuring durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait *seconds* of this clock."""
        ...


class Entropy(Protocol):
    """Randomness, so that tests own it."""

    def token(self) -> str:
        """Return 128 fresh random bits as 32 lower-case hex digits."""
        ...


class ButtonTokens(Protocol):
    """The secret part of a card's buttons."""

    def token_for(self, proposal_token: str) -> str:
        """Return the button token of a proposal: the same on every call, not computable from the database alone."""
        ...


class Publisher(Protocol):
    """Tells whoever shows or runs things that the database has news."""

    def changed(self) -> None:
        """Wake delivery and dispatch. Called after a commit; may be called too often; must not block or raise."""
        ...


class KillFiles(Protocol):
    """The stop that works when the database does not: zero-byte files in the state directory of this host.

    A file stops everything, or one subject alone.
    """

    def drop(self, scope: str = "*") -> str:
        """Create a kill file for *scope* and return its name. Raises `OSError` if even that fails."""
        ...

    def present(self, scope: str | None = None) -> Sequence[str]:
        """Return the names of all kill files, or of those that hold *scope* back; an unreadable directory is one.

        A subject is held back by the files for everything too; everything (`*`) by no subject's.
        """
        ...

    def remove(self, names: Collection[str]) -> None:
        """Remove these files; a file that is gone already is fine. Raises `OSError` if one stays."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an identity provider says of an actor, no older than a minute."""

    active: bool
    full_member: bool
    problem: str = ""
    """Why not, in words a person understands; empty if active and a full member."""
    known: bool = True
    """False: nobody could say. That refuses a click, but takes back no approval that was given before."""
    groups: frozenset[str] | None = None
    """Ids of the provider's groups that the actor is in, of those that the policy names; None if nobody could say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy says, with a reason that people can read."""

    allowed: bool
    reason: str
    person: str
    """The person behind the actor: a name from `[people]`, or the actor itself."""
    groups: frozenset[str] = frozenset()
    """The names of the policy's groups that the person is in."""
    rule: str = ""
    """What decided: a place in the configuration such as `[[denials]] 2`, or a rule that holds everywhere."""
    unsure: bool = False
    """Refused because nobody could say in which groups the person is; what was allowed before is not taken back."""


class Decidable(Protocol):
    """What the policy looks at in an action: a proposal, or one that is only thought of."""

    @property
    def subject(self) -> str:
        """The system acted upon."""
        ...

    @property
    def action_name(self) -> str:
        """The action's full name."""
        ...

    @property
    def risk(self) -> Risk:
        """How much it can hurt."""
        ...

    @property
    def proposed_by(self) -> str:
        """`str()` of the actor who proposed it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """How many people must approve, and from which groups at least one each."""

    people: int
    needs: frozenset[str] = frozenset()
    rule: str = ""
    """The name of the rule that approves in the place of people, where none are needed."""


class Directory(Protocol):
    """Who people are."""

    async def standing(self, actor: Actor) -> Standing:
        """Return what is known of *actor*: cached for at most 60 s, a cold look-up at most 1 s.

        A look-up that fails or times out answers "not active, not known", with the problem in words: doubt refuses.
        """
        ...


class Policy(Protocol):
    """Who may do what. One implementation, used by every entry point."""

    def authorize(
        self,
        actor: Actor,
        verb: Verb,
        proposal: Decidable | None,
        standing: Standing,
        *,
        via: Via,
        subject: str | None = None,
    ) -> Decision:
        """Decide. Pure: no input or output, no clock. Deny is the default.

        *subject* is what is to be stopped or started where there is no proposal; None is everything.
        """
        ...

    def person(self, actor: str) -> str:
        """Return the person behind `str(actor)`, so that one person's identities count once."""
        ...

    def quorum(self, *, subject: str, action_name: str, risk: Risk) -> Quorum:
        """Return who must approve such an action."""
        ...


class OutboxKind(StrEnum):
    """What delivery has to make true."""

    CARD = "card"
    """The message of proposal `ref` shows its current state."""
    RESULT = "result"
    """The thread of proposal `ref` carries its result."""
    DIAGNOSIS = "diagnosis"
    """The message of diagnosis `ref`, which has no buttons."""
    ANNOUNCEMENT = "announcement"
    """The channel was told of audit event `ref` (a change of mode, a kill)."""
    NOTICE = "notice"
    """One person was told something that only they see; `payload` says whom, where and what."""
    DIGEST = "digest"
    """The digest of fire time `ref` was posted."""
    REMINDER = "reminder"
    """The thread of a proposal carries a reminder; `ref` is `<proposal>/<number>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """Something that Slack does not show yet. Holds what changed, never a rendered message."""

    id: int
    kind: OutboxKind
    ref: str
    version: int
    """Grows when the same thing changes again before it was delivered."""
    payload: Mapping[str, Json]
    attempts: int
    due_at: datetime
    created_at: datetime
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRef:
    """Where in Slack something is shown."""

    kind: OutboxKind
    ref: str
    team_id: str
    channel_id: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """An interaction or request that was dealt with before, and the answer it got."""

    key: str
    body_hash: str
    reply: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What to write down; the store adds `seq`, `prev` and `hash`."""

    at: datetime
    event: str
    actor: str
    via: Via
    proposal_id: int | None = None
    data: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything about one proposal, read at one moment."""

    proposal: ActionProposal
    approvals: tuple[Approval, ...]
    record: ActionRecord | None
    audit: tuple[AuditEvent, ...]
    diagnosis: Diagnosis | None
    message: MessageRef | None
    replaces: ActionProposal | None = None
    """The proposal that it took the place of."""
    replaced_by: int | None = None
    """The newest proposal that took its place."""
    review: Review | None = None


class Reader(Protocol):
    """A consistent view. Inside a transaction it sees that transaction's own writes."""

    def control(self, scope: str) -> Control:
        """Return the control row; a missing or unreadable row is observe with epoch 0."""
        ...

    def controls(self) -> list[Control]:
        """Return every control row, the one for everything first."""
        ...

    def proposal(self, proposal_id: int) -> ActionProposal | None:
        """Return the proposal, or None."""
        ...

    def proposal_by_source(self, source_key: str) -> ActionProposal | None:
        """Return the proposal that came from this source, or None."""
        ...

    def proposals(
        self,
        *,
        statuses: Collection[ActionStatus] = (),
        subject: str | None = None,
        diagnosis_id: int | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[ActionProposal]:
        """Return the newest first, by id; *before_id* pages on. No statuses means all."""
        ...

    def pending_of_earlier_epochs(self, limit: int) -> list[ActionProposal]:
        """Return pending proposals whose epoch, or whose subject's, is not the current one; oldest first."""
        ...

    def overdue(self, now: datetime, limit: int) -> list[ActionProposal]:
        """Return pending proposals whose `expires_at` or `approval_expires_at` has passed; oldest first."""
        ...

    def leases_run_out(self, now: datetime, limit: int) -> list[ActionProposal]:
        """Return executing proposals with `lease_until` before *now*."""
        ...

    def in_flight_on(self, subject: str, target: str) -> ActionProposal | None:
        """Return the executing or unknown proposal on this target, if any; there is at most one."""
        ...

    def pending_on(self, subject: str, target: str) -> list[ActionProposal]:
        """Return the pending proposals on this target, oldest first."""
        ...

    def replaced_by(self, proposal_id: int) -> int | None:
        """Return the newest proposal that took this one's place, or None."""
        ...

    def proposed_since(self, proposed_by: str, since: datetime) -> int:
        """Return how many proposals this actor has made since then."""
        ...

    def review(self, proposal_id: int) -> Review | None:
        """Return the review of a break-glass run, open or closed, or None."""
        ...

    def open_reviews(self, limit: int) -> list[Review]:
        """Return the reviews that nobody has closed yet, oldest first."""
        ...

    def lifts(self, scope: str, epoch: int) -> list[Lift]:
        """Return who wants this stop lifted, oldest first."""
        ...

    def reminder(self, proposal_id: int) -> Reminder | None:
        """Return when people are to be told next, or None if they are not."""
        ...

    def reminders_due(self, now: datetime, limit: int) -> list[Reminder]:
        """Return the reminders with `due_at` not after *now*, in that order."""
        ...

    def approvals(self, proposal_id: int) -> list[Approval]:
        """Return the approvals, oldest first."""
        ...

    def record(self, proposal_id: int) -> ActionRecord | None:
        """Return the attempt, or None if there was none."""
        ...

    def attempts(self, subject: str, *, since: datetime, ended: bool = False, limit: int) -> list[ActionRecord]:
        """Return the attempts that started on this subject since then, the last first; *ended* leaves out what runs."""
        ...

    def dossier(self, proposal_id: int) -> Dossier | None:
        """Return everything about one proposal."""
        ...

    def audit(
        self,
        *,
        proposal_id: int | None = None,
        after_seq: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1_000,
    ) -> list[AuditEvent]:
        """Return events in order of `seq`; *since* included, *until* excluded."""
        ...

    def audit_head(self, at: datetime) -> Checkpoint:
        """Return the checkpoint of the log as it is now, dated *at*; seq 0 and 64 zeros when it is empty."""
        ...

    def audit_event(self, seq: int) -> AuditEvent | None:
        """Return one event, or None."""
        ...

    def diagnosis(self, diagnosis_id: int) -> Diagnosis | None:
        """Return the diagnosis, or None."""
        ...

    def diagnosis_by_source(self, source_key: str) -> Diagnosis | None:
        """Return the diagnosis with this source key, or None."""
        ...

    def ticket(self, key: str) -> Ticket | None:
        """Return the ticket of this violation, open or not."""
        ...

    def tickets(self, *, subject: str | None = None, open_only: bool = True) -> list[Ticket]:
        """Return tickets, the oldest opened first."""
        ...

    def message(self, kind: OutboxKind, ref: str) -> MessageRef | None:
        """Return where this is shown, if it was posted."""
        ...

    def message_at(self, channel_id: str, ts: str) -> MessageRef | None:
        """Return what this message of ours shows, or None."""
        ...

    def outbox_due(self, now: datetime, limit: int) -> list[OutboxItem]:
        """Return undelivered items with `due_at` not after *now*, in order of `due_at`, then id."""
        ...

    def inbox(self, key: str) -> InboxEntry | None:
        """Return the earlier request with this key, or None."""
        ...

    def lease_holder(self, name: str, now: datetime) -> str | None:
        """Return who holds the named lease at *now*, or None."""
        ...


class Transaction(Reader, Protocol):
    """One unit of work. All of it becomes durable, or none of it."""

    def lock_control(self, scope: str) -> Control:
        """Return the control row, locked until commit, so that no change of mode can pass this transaction by.

        Call it before anything else, for `*` before a subject. A subject without a row answers observe.
        """
        ...

    def set_control(self, control: Control) -> None:
        """Store the control row of `control.scope`, creating it if it is missing. Needs the lock."""
        ...

    def insert_proposal(self, proposal: ActionProposal) -> ActionProposal | None:
        """Store a proposal (its `id` is ignored) and return it with its id; None if its `source_key` exists."""
        ...

    def move(self, proposal: ActionProposal, to: ActionStatus, changes: Mapping[str, object]) -> ActionProposal | None:
        """Guarded update: only if id, status, version and fence are still those of *proposal*.

        Sets the status and *changes* (fields of `ActionProposal`), adds one to `version`, and returns the new record;
        None if another was first, in which case nothing was changed. Fields that were fixed when it was proposed
        (id, token, button_hash, source_key, action_name, definition_hash, parameters, params_hash, subject, target)
        cannot be in *changes*: `ValueError`. Moving to executing while another proposal on the same target is
        executing or unknown returns None too.
        """
        ...

    def renew_lease(self, proposal_id: int, *, fence: int, until: datetime) -> bool:
        """Extend the lease of an executing proposal; False if it is not executing under this fence any more."""
        ...

    def insert_approval(self, approval: Approval) -> bool:
        """Store an approval; False if this person has approved this proposal before."""
        ...

    def save_review(self, review: Review) -> None:
        """Store the review of `review.proposal_id`, new or not."""
        ...

    def save_lift(self, lift: Lift) -> None:
        """Store one person's wish to lift a stop, new or not."""
        ...

    def save_reminder(self, reminder: Reminder) -> None:
        """Store the reminder of `reminder.proposal_id`, new or not."""
        ...

    def drop_reminder(self, proposal_id: int) -> None:
        """Forget the reminder of this proposal, if there is one."""
        ...

    def save_record(self, record: ActionRecord) -> None:
        """Store the attempt of `record.proposal_id`, replacing what was stored under the same or a lower fence."""
        ...

    def append_audit(self, entry: AuditEntry) -> AuditEvent:
        """Append to the log: `seq` is the last plus one, `prev` its hash. Dense, in the order of commits."""
        ...

    def save_checkpoint(self, checkpoint: Checkpoint, witness: str) -> None:
        """Remember that *witness* was given this checkpoint."""
        ...

    def enqueue(self, kind: OutboxKind, ref: str, *, at: datetime, payload: Mapping[str, Json] | None = None) -> None:
        """Ask for delivery. An undelivered item of the same kind and ref is reused with a higher version."""
        ...

    def outbox_delivered(self, item: OutboxItem) -> None:
        """Mark as delivered, unless its version has grown meanwhile; then it stays due."""
        ...

    def outbox_retry(self, item: OutboxItem, *, due_at: datetime, error: str) -> None:
        """Try again at *due_at*; adds one to `attempts`."""
        ...

    def outbox_give_up(self, item: OutboxItem, *, error: str) -> None:
        """Never try this version again; it stays readable with its error."""
        ...

    def record_message(self, message: MessageRef) -> MessageRef:
        """Remember where something is shown and return what is stored: the first one recorded stays."""
        ...

    def forget_message(self, kind: OutboxKind, ref: str) -> None:
        """Forget where something was shown, because it is not there any more; it may then be posted anew."""
        ...

    def take_inbox(self, key: str, *, body_hash: str, reply: str, at: datetime) -> InboxEntry | None:
        """Claim a key for this transaction: None if it was new, else the earlier entry."""
        ...

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
        """Store a diagnosis; None if its source key exists."""
        ...

    def save_ticket(self, ticket: Ticket) -> None:
        """Store the ticket under its key, new or not."""
        ...

    def claim_run(self, job: str, fire_at: datetime, at: datetime) -> bool:
        """Claim one firing of a scheduled job, for all processes; False if it was claimed before."""
        ...

    def hold_lease(self, name: str, owner: str, *, now: datetime, until: datetime) -> bool:
        """Take or renew a named lease; False if another owner holds it at *now*."""
        ...

    def drop_lease(self, name: str, owner: str) -> None:
        """Give a named lease up, if *owner* holds it."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Delete delivered outbox rows and inbox rows older than *before*; return how many."""
        ...


class Store(Protocol):
    """The database, as the core sees it."""

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        """Run *work* in one transaction and return its value after the commit is durable.

        *work* must be quick, do no other input or output, and may be run again from the start. If it raises, nothing
        of it is stored and the error is passed on; other units of work are not disturbed. A refusal that must leave an
        audit row is therefore returned, not raised.

        *urgent* is for what a person waits for, what stops, and what a running action needs: it does not wait behind
        alerts, deliveries and upkeep, and has a queue of its own, so that a flood of those cannot have it refused.

        Raises:
            StorageError: the database is locked, full, read-only, damaged or out of reach. Its text says whether
                nothing was recorded, or that the work may or may not have been: a server that was lost during the
                commit and cannot be asked.
            OverloadedError: too much is waiting; nothing was stored.
        """
        ...

    async def read(self, query: Callable[[Reader], T]) -> T:
        """Run *query* over a consistent snapshot, without waiting for the writer. Raises `StorageError`."""
        ...
