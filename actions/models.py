"""The records: what is proposed, decided, attempted and written down. Frozen; times are aware and in UTC."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final

import orjson

from actions.canonical import Json

EVERYTHING: Final = "*"
"""The scope of the control row that stands above every subject's own."""


class ActionStatus(StrEnum):
    """Where a proposal stands; `actions.lifecycle` says what may follow what."""

    PROPOSED = "proposed"
    VALIDATED = "validated"
    APPROVED = "approved"
    EXECUTING = "executing"
    UNKNOWN = "unknown"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class ActionType(StrEnum):
    """What kind of thing an action belongs to."""

    SUBJECT = "subject"
    TOOL = "tool"
    WORKFLOW = "workflow"


class SafetyMode(StrEnum):
    """Whether anything may be changed at all. Observe is what holds when nothing else is known."""

    OBSERVE = "observe"
    EXECUTE = "execute"


class Risk(StrEnum):
    """How much an action can hurt, as its author judged; policy decides what follows from it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Urgency(StrEnum):
    """How soon the diagnoser thinks that it should be done."""

    IMMEDIATE = "immediate"
    SOON = "soon"
    WHEN_CONVENIENT = "when_convenient"


class ReasonCode(StrEnum):
    """Why a proposal was cancelled."""

    USER = "user"
    KILL_SWITCH = "kill_switch"
    MODE_OBSERVE = "mode_observe"
    INVALID = "invalid"
    STALE = "stale"
    SUPERSEDED = "superseded"
    DENIED_BY_POLICY = "denied_by_policy"


class RefusalCode(StrEnum):
    """Why a person did not want an action."""

    WRONG_TARGET = "wrong_target"
    WRONG_CAUSE = "wrong_cause"
    TOO_RISKY = "too_risky"
    ALREADY_DONE = "already_done"
    OTHER = "other"


class FailureOutcome(StrEnum):
    """What is known of an action that failed."""

    NO_EFFECT = "no_effect"
    PARTIAL = "partial"


class SuccessOutcome(StrEnum):
    """How sure we are that a completed action worked: the target said so, or we saw it."""

    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"


class Verb(StrEnum):
    """What a person may be allowed to do."""

    APPROVE = "approve"
    CANCEL = "cancel"
    KILL = "kill"
    SET_MODE = "set_mode"
    RESOLVE = "resolve"
    PROPOSE = "propose"
    EDIT = "edit"
    BREAK_GLASS = "break_glass"
    REVIEW = "review"
    ABORT = "abort"


class Via(StrEnum):
    """The way a request came in."""

    SLACK = "slack"
    CLI = "cli"
    HTTP = "http"
    AGENT = "agent"
    SYSTEM = "system"


class ActorKind(StrEnum):
    """What sort of thing acted."""

    SLACK = "slack"
    CLI = "cli"
    AGENT = "agent"
    HTTP = "http"
    POLICY = "policy"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it; written as `slack:T…/U…`, `cli:name@host`, `agent:name`, `http:source` or `system:part`."""

    kind: ActorKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Actor":
        """Read what `str()` wrote, or raise `ValueError`."""
        kind, separator, name = text.partition(":")
        if not separator or not name:
            raise ValueError(f"not an actor: {text!r}")
        return cls(ActorKind(kind), name)

    @classmethod
    def slack(cls, team_id: str, user_id: str) -> "Actor":
        """A Slack user; the id counts only together with the workspace's."""
        return cls(ActorKind.SLACK, f"{team_id}/{user_id}")

    @classmethod
    def cli(cls, login: str, host: str) -> "Actor":
        """An operating-system user on a host."""
        return cls(ActorKind.CLI, f"{login}@{host}")

    @classmethod
    def system(cls, part: str) -> "Actor":
        """A part of this program acting on its own, such as the sweeper."""
        return cls(ActorKind.SYSTEM, part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One request: who, by which way, and the key that makes its repetition harmless."""

    actor: Actor
    via: Via
    key: str | None = None
    """Unique per interaction (a click's team, channel, message, action and time); None where repeats are harmless."""
    claimed: str | None = None
    """What the environment says of the person behind the actor (SUDO_USER); recorded, never trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was on the card that a person pressed, to be compared with what is stored."""

    button_token: str
    params_hash: str
    team_id: str
    channel_id: str
    message_ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The stored answer to «may anything be changed?», for everything (`*`) or one subject."""

    scope: str
    mode: SafetyMode = SafetyMode.OBSERVE
    epoch: int = 0
    """Grows with every change; a proposal of another epoch can no longer run."""
    changed_by: str = "system:default"
    changed_at: datetime | None = None
    reason: str = ""
    stopped_as: ReasonCode = ReasonCode.MODE_OBSERVE
    """Why the last stop stopped: the reason given to pending proposals of earlier epochs."""

    def row_digest(self) -> str:
        """Return the hash of every stored field, as the audit log records it with each change of mode."""
        return _row_digest({f.name: getattr(self, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of computed impact: a label and a number or short text, from the subject, never from prose."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionProposal:
    """A recommendation that was stored: what would run, on what, asked by whom, and how far it has come."""

    id: int
    token: str
    """128 random bits, made when proposed; names the effect towards the target."""
    button_hash: str
    """SHA-256 of the token inside the card's buttons."""
    source_key: str
    """Where it came from, unique: the same recommendation delivered twice is one proposal."""
    action_name: str
    definition_hash: str
    parameters: Mapping[str, Json]
    params_hash: str
    subject: str
    target: str
    risk: Risk
    required_approvals: int
    reason: str
    urgency: Urgency
    expected_outcome: str
    risks: tuple[str, ...]
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    epoch: int
    subject_epoch: int
    status: ActionStatus = ActionStatus.PROPOSED
    version: int = 1
    """Grows by one with every transition."""
    diagnosis_id: int | None = None
    channel: str | None = None
    retry_of: int | None = None
    """The failed proposal that this one tries again."""
    supersedes: int | None = None
    """The proposal that this one took the place of: edited, renewed after drift, or proposed again."""
    undo_of: int | None = None
    """The completed proposal whose effect this one takes back."""
    break_glass: str = ""
    """Why one person ran it past quorum and freeze; empty if it was decided in the usual way."""
    pins: Mapping[str, Json] = field(default_factory=dict)
    """The facts that the decision rests on, read from the target when it was validated."""
    before: Mapping[str, Json] = field(default_factory=dict)
    """The target's state before, as verify and undo need it."""
    impact: tuple[Fact, ...] = ()
    approved_at: datetime | None = None
    approval_expires_at: datetime | None = None
    not_before: datetime | None = None
    attempts: int = 0
    owner: str | None = None
    fence: int = 0
    lease_until: datetime | None = None
    outcome: FailureOutcome | SuccessOutcome | None = None
    reason_code: ReasonCode | None = None
    detail: str = ""
    """One sentence on how it ended."""

    @property
    def target_key(self) -> str:
        """What may carry only one running or unresolved action at a time."""
        return f"{self.subject}:{self.target}"

    def row_digest(self) -> str:
        """Return the hash of every stored field except the lease, as the audit log records it."""
        return _row_digest(dict(zip(_DIGESTED, _digested(self), strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's yes to exactly these parameters."""

    proposal_id: int
    person: str
    """Who, joined over Slack and command line, so that nobody counts twice."""
    actor: str
    via: Via
    params_hash: str
    at: datetime
    groups: tuple[str, ...] = ()
    """The names of the policy's groups that the person was in then, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What remains to be looked at after break-glass, until a second person closes it."""

    proposal_id: int
    opened_at: datetime
    opened_by: str
    person: str
    """Who broke the glass, joined over Slack and command line; someone else has to close it."""
    reason: str
    closed_at: datetime | None = None
    closed_by: str | None = None
    comment: str = ""

    def row_digest(self) -> str:
        """Return the hash of every stored field, as the audit log records it when it opens and when it closes."""
        return _row_digest({f.name: getattr(self, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """One person's yes to switching back to execute, where several are needed; void with the next change of mode."""

    scope: str
    epoch: int
    """`actions.safety.combined_epoch` of the scope while it is stopped."""
    person: str
    actor: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """When people are to be told next that a proposal waits or is about to start."""

    proposal_id: int
    due_at: datetime
    sent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of an attempt: its name, and how it went."""

    name: str
    state: str
    """`done`, `failed` (known), `unknown` or `stopped`."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRecord:
    """The one attempt to run a proposal."""

    proposal_id: int
    token: str
    owner: str
    fence: int
    started_at: datetime
    finished_at: datetime | None = None
    steps: tuple[Step, ...] = ()
    result: str = ""
    evidence: tuple[Fact, ...] = ()
    """What was read from the target afterwards."""

    def row_digest(self) -> str:
        """Return the hash of every stored field, as the audit log records it when the attempt ends."""
        return _row_digest({f.name: getattr(self, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One line of the audit log; `hash` covers everything here and the line before."""

    seq: int
    at: datetime
    proposal_id: int | None
    event: str
    actor: str
    via: Via
    data: Mapping[str, Json]
    prev: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A statement about the audit log that a witness keeps: its length and its head."""

    seq: int
    head: str
    count: int
    at: datetime

    def line(self) -> str:
        """Return the one-line form that the channel and the witness file carry."""
        return f"audit checkpoint seq={self.seq} count={self.count} head={self.head} at={self.at.isoformat()}"


_DIGESTED: Final = tuple(f.name for f in fields(ActionProposal) if f.name != "lease_until")
_digested: Final = attrgetter(*_DIGESTED)


_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


def _row_digest(row: dict[str, object]) -> str:
    # Not `canonical.digest`: what is stored was found canonical when it came in, and this runs with every transition.
    return hashlib.sha256(orjson.dumps(row, default=_plain, option=_OPTIONS)).hexdigest()


def _plain(value: object) -> object:
    match value:
        case Fact():
            return [value.label, value.value]
        case Step():
            return [value.name, value.state, value.detail]
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(f"no canonical form for {type(value).__name__}")
