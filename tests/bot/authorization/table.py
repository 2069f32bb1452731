"""Who may do what, where and when: written by hand, and derived from nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tests.bot.authorization.kinds import Kind
from tests.bot.authorization.stages import Stage
from tests.bot.authorization.world import Mode

EVERY_STAGE: Final = frozenset(Stage)
EVERY_MODE: Final = frozenset(Mode)
_EXECUTE_ALONE: Final = frozenset({Mode.EXECUTE})
_ANEW: Final = frozenset({Mode.EXECUTE, Mode.KILLED})
"""What is proposed anew is of the epoch as it is now."""
_HELD_UP: Final = frozenset({Mode.OBSERVE, Mode.HELD, Mode.SUBJECT})

FIVE: Final = frozenset({Kind.LISTED, Kind.GRANTED, Kind.PROPOSER, Kind.REVISER, Kind.BREAKER})
"""Those who may everything, but for what they had a part in."""
SPECIALISTS: Final = frozenset({Kind.MAY_BREAK, Kind.MAY_REVIEW, Kind.MAY_EDIT})
MEMBERS: Final = FIVE | SPECIALISTS | {Kind.DENIED, Kind.UNLISTED}
"""Every active full member of the workspace."""
CLI_LISTED: Final = frozenset({Kind.CLI_PERSON, Kind.CLI_PROPOSER, Kind.CLI_BREAKER})
CLI_ANYBODY: Final = CLI_LISTED | {Kind.CLI_STRANGER}
EVERYBODY: Final = frozenset(Kind)

PROPOSED: Final = frozenset({Stage.NEW, Stage.UNATTENDED, Stage.ASKED_FOR})
DECIDABLE: Final = frozenset({Stage.WAITING, Stage.LEFT, Stage.RISKY, Stage.EDITED})
VALIDATED: Final = DECIDABLE | {Stage.LAPSED}
STARTING: Final = frozenset({Stage.APPROVED, Stage.LATER, Stage.ABORTABLE, Stage.RISKY_LATER})
APPROVED: Final = STARTING | {Stage.BROKEN}
PENDING: Final = PROPOSED | VALIDATED | APPROVED


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way in: who brings about what by it, at which stages, in which modes. In all other cases nothing happens."""

    does: tuple[str, ...] = ()
    """The audit events in their order; empty if it decides nothing, whoever comes."""
    who: frozenset[Kind] = frozenset()
    stages: frozenset[Stage] = EVERY_STAGE
    modes: frozenset[Mode] = EVERY_MODE
    but: Mapping[Stage, frozenset[Kind]] = field(default_factory=dict)
    """Who of those may not at this stage."""

    def expected(self, kind: Kind, stage: Stage, mode: Mode) -> tuple[str, ...]:
        """Return the events that this caller brings about."""
        applies = kind in self.who - self.but.get(stage, frozenset()) and stage in self.stages and mode in self.modes
        return self.does if applies else ()


READS: Final = Row()

_PROPOSED_IT: Final = frozenset({Kind.PROPOSER, Kind.CLI_PROPOSER})
_BROKE_IT: Final = frozenset({Kind.BREAKER, Kind.CLI_BREAKER})
_NOT_THEIR_OWN: Final[Mapping[Stage, frozenset[Kind]]] = {
    Stage.WAITING: _PROPOSED_IT,
    Stage.LEFT: _PROPOSED_IT,
    Stage.RISKY: _PROPOSED_IT | CLI_LISTED,
    # Whoever edits proposes; whose proposal it was before is one of the others.
    Stage.EDITED: frozenset({Kind.REVISER}),
}
_APPROVE: Final = Row(
    does=("approved",), who=FIVE, stages=DECIDABLE - {Stage.RISKY}, modes=_EXECUTE_ALONE, but=_NOT_THEIR_OWN
)
_CONFIRM: Final = replace(_APPROVE, stages=DECIDABLE)
_CANCEL: Final = Row(does=("cancelled",), who=FIVE, stages=PENDING)
_ABORT: Final = Row(does=("cancelled",), who=MEMBERS, stages=frozenset({Stage.ABORTABLE}))
_EDIT: Final = Row(
    does=("proposed", "cancelled"),
    who=FIVE | {Kind.MAY_EDIT},
    stages=PROPOSED | DECIDABLE,
    modes=_EXECUTE_ALONE,
)
_PROPOSERS: Final = FIVE | SPECIALISTS
_RETRY: Final = Row(does=("proposed",), who=_PROPOSERS, stages=frozenset({Stage.FAILED}), modes=_ANEW)
_UNDO: Final = replace(_RETRY, stages=frozenset({Stage.COMPLETED}))
_BREAK_GLASS: Final = Row(
    does=("break_glass",), who=FIVE | {Kind.MAY_BREAK}, stages=DECIDABLE | STARTING, modes=_EXECUTE_ALONE
)
_REVIEW: Final = Row(
    does=("reviewed",),
    who=FIVE | {Kind.MAY_REVIEW},
    stages=frozenset({Stage.REVIEWABLE}),
    but={Stage.REVIEWABLE: _BROKE_IT},
)
_EXPLAIN: Final = Row(does=("explained",), who=FIVE, stages=frozenset({Stage.CANCELLED}))
_RESOLVE: Final = Row(does=("completed",), who=FIVE, stages=frozenset({Stage.UNKNOWN}))
_SNOOZE: Final = Row(does=("snoozed",), who=FIVE, stages=VALIDATED)
_KILL: Final = Row(does=("kill_switch",), who=FIVE)
_EXPLAIN_STOP: Final = Row(does=("explained",), who=FIVE)
_OBSERVE: Final = Row(does=("mode_change",), who=FIVE)
# Execute where it is execute already changes nothing, unless a kill file lies there.
_EXECUTE: Final = Row(does=("mode_change",), who=FIVE, modes=frozenset({Mode.OBSERVE, Mode.HELD}))
_EXECUTE_SUBJECT: Final = replace(_EXECUTE, modes=frozenset({Mode.SUBJECT}))

SLACK: Final[Mapping[str, Row]] = {
    "button proposal.approve": _APPROVE,
    "button proposal.cancel": _CANCEL,
    "button proposal.abort": _ABORT,
    "button action.undo": _UNDO,
    "button reminder.snooze": _SNOOZE,
    "button reminder.snooze_longer": _SNOOZE,
    "button proposal.details": READS,
    "button proposal.preview": READS,
    "button proposal.confirm": READS,
    "button proposal.edit": READS,
    "button proposal.break_glass": READS,
    "button action.retry": READS,
    "button outcome.resolve": READS,
    "button review.close": READS,
    "button kill_switch.throw": READS,
    "form approval.confirm": _CONFIRM,
    "form break_glass.run": _BREAK_GLASS,
    "form parameters.edit": _EDIT,
    "form parameters.retry": _RETRY,
    "form cancellation.explain": _EXPLAIN,
    "form outcome.settle": _RESOLVE,
    "form review.comment": _REVIEW,
    "form kill_switch.reason": _KILL,
    "form kill_switch.reason of rack": _KILL,
    "form stop.explain": _EXPLAIN_STOP,
    "form details.read": READS,
    "closed details.read": READS,
    "closed approval.confirm": READS,
    "closed break_glass.run": READS,
    "closed parameters.edit": READS,
    "closed parameters.retry": READS,
    "closed cancellation.explain": READS,
    "closed outcome.settle": READS,
    "closed review.comment": READS,
    "closed kill_switch.reason": READS,
    "closed stop.explain": READS,
    "command status": READS,
    "command mode": READS,
    "command mode observe": _OBSERVE,
    "command mode observe of rack": _OBSERVE,
    "command mode execute": _EXECUTE,
    "command mode execute of rack": _EXECUTE_SUBJECT,
    "command kill-switch": _KILL,
    "command kill-switch of rack": _KILL,
    "command list": READS,
    "command show": READS,
    "command approve": _APPROVE,
    "command approve TARGET": _CONFIRM,
    "command approve ANOTHER": READS,
    "command cancel": _CANCEL,
    "command reviews": READS,
    "command digest": READS,
    "command help": READS,
    "event app_home_opened": READS,
    "shortcut message.explain": READS,
}

OPENS: Final[Mapping[str, str]] = {
    "button proposal.confirm": "form approval.confirm",
    "button proposal.break_glass": "form break_glass.run",
    "button proposal.edit": "form parameters.edit",
    "button action.retry": "form parameters.retry",
    "button outcome.resolve": "form outcome.settle",
    "button review.close": "form review.comment",
}
"""Which form a button opens, for exactly those who may send it."""

CORE: Final[Mapping[str, Row]] = {
    "approve": replace(_CONFIRM, who=FIVE | CLI_LISTED),
    "cancel": replace(_CANCEL, who=FIVE | CLI_ANYBODY),
    "abort": replace(_ABORT, who=MEMBERS | CLI_ANYBODY),
    "edit": replace(_EDIT, who=_EDIT.who | CLI_LISTED),
    "retry": replace(_RETRY, who=_PROPOSERS | CLI_LISTED),
    "undo": replace(_UNDO, who=_PROPOSERS | CLI_LISTED),
    "break glass": replace(_BREAK_GLASS, who=_BREAK_GLASS.who | CLI_LISTED),
    "review": replace(_REVIEW, who=_REVIEW.who | CLI_LISTED),
    "explain": replace(_EXPLAIN, who=FIVE | CLI_ANYBODY),
    "resolve": replace(_RESOLVE, who=FIVE | CLI_LISTED),
    "preview": READS,
    "snooze": replace(_SNOOZE, who=FIVE | CLI_ANYBODY),
    "kill": replace(_KILL, who=FIVE | CLI_ANYBODY | {Kind.ADMIN}),
    "kill of rack": replace(_KILL, who=FIVE | CLI_ANYBODY | {Kind.ADMIN}),
    "explain a stop": replace(_EXPLAIN_STOP, who=FIVE | CLI_ANYBODY | {Kind.ADMIN}),
    # Observe only ever takes away, like a stop.
    "observe": replace(_OBSERVE, who=FIVE | CLI_ANYBODY | {Kind.ADMIN}),
    "observe of rack": replace(_OBSERVE, who=FIVE | CLI_ANYBODY | {Kind.ADMIN}),
    "execute": replace(_EXECUTE, who=FIVE | CLI_LISTED),
    "execute of rack": replace(_EXECUTE_SUBJECT, who=FIVE | CLI_LISTED),
    "propose": Row(does=("proposed",), who=EVERYBODY, modes=_ANEW),
}

CLI: Final[Mapping[str, str]] = {
    "actions approve": "approve",
    "actions cancel": "cancel",
    "actions abort": "abort",
    "actions edit": "edit",
    "actions retry": "retry",
    "actions undo": "undo",
    "actions break-glass": "break glass",
    "actions explain": "explain",
    "actions resolve": "resolve",
    "actions preview": "",
    "actions snooze": "snooze",
    "actions kill-switch": "kill",
    "actions mode": "execute",
    "reviews close": "review",
    "propose": "propose",
    "reviews list": "",
    "actions list": "",
    "actions show": "",
    "audit list": "",
    "audit verify": "",
    "audit export": "",
    "subjects list": "",
    "subjects observe": "",
    "policy check": "",
    "digest preview": "",
    "digest send": "",
    "doctor": "",
    "run": "",
    "init": "",
    "demo": "",
}
"""Per command what it asks the core for, if it decides anything; `run` and `demo` are the service itself."""

HTTP: Final[Mapping[str, Mapping[str, int]]] = {
    "POST /api/v1/diagnoses": {"nobody": 401, "another token": 401, "ingest": 202, "admin": 401},
    "POST /api/v1/kill-switch": {"nobody": 401, "another token": 401, "ingest": 401, "admin": 200},
    "POST /api/v1/kill-switch of rack": {"nobody": 401, "another token": 401, "ingest": 401, "admin": 200},
    "GET /api/v1/actions": {"nobody": 401, "another token": 401, "ingest": 200, "admin": 401},
    "GET /api/v1/actions/{proposal_id}": {"nobody": 401, "another token": 401, "ingest": 200, "admin": 401},
    "GET /healthz": {"nobody": 200, "another token": 200, "ingest": 200, "admin": 200},
    "GET /readyz": {"nobody": 200, "another token": 200, "ingest": 200, "admin": 200},
    "POST /slack/events": {"nobody": 401, "another token": 401, "ingest": 401, "admin": 401},
}
"""Per route the answer to who comes; other methods of these paths get 4xx. Slack's path wants a signature."""
DONE_BY_HTTP: Final[Mapping[tuple[str, str], Row]] = {
    ("POST /api/v1/diagnoses", "ingest"): Row(does=("proposed",), who=EVERYBODY, modes=_ANEW),
    ("POST /api/v1/kill-switch", "admin"): Row(does=("kill_switch",), who=EVERYBODY),
    ("POST /api/v1/kill-switch of rack", "admin"): Row(does=("kill_switch",), who=EVERYBODY),
}
"""What a request brings about; every other one brings about nothing."""

_Writes = Mapping[tuple[Stage, Mode], frozenset[str]]
_NOTHING: Final[_Writes] = {}


def _each(stages: frozenset[Stage], modes: frozenset[Mode], *events: str) -> _Writes:
    return {(stage, mode): frozenset(events) for stage in stages for mode in modes}


JOBS: Final[Mapping[str, _Writes]] = {
    "dispatcher": {
        **_each(frozenset({Stage.APPROVED, Stage.BROKEN}), _EXECUTE_ALONE, "executing", "completed"),
        **_each(APPROVED, frozenset({Mode.KILLED}), "cancelled"),
    },
    "agent": _NOTHING,
    "delivery": _NOTHING,
    "holding the lease": _NOTHING,
    "looking at targets": _NOTHING,
    "counting down": _NOTHING,
    "reminding": _NOTHING,
    "sweeping": {
        **_each(frozenset({Stage.NEW}), EVERY_MODE, "validated"),
        **_each(frozenset({Stage.UNATTENDED}), _EXECUTE_ALONE, "validated", "approved"),
        **_each(frozenset({Stage.UNATTENDED}), _HELD_UP, "validated", "left_to_people"),
        **_each(frozenset({Stage.ASKED_FOR}), _EXECUTE_ALONE | _HELD_UP, "validated", "left_to_people"),
        **_each(frozenset({Stage.LAPSED}), EVERY_MODE, "expired"),
        # What took the place of another waits too.
        **_each(PENDING | {Stage.SUPERSEDED}, frozenset({Mode.KILLED}), "cancelled"),
    },
    "reconciling": _each(frozenset({Stage.UNKNOWN}), EVERY_MODE, "failed"),
    "comparing cards": _NOTHING,
    "asking who the approvers are": _NOTHING,
    "pruning": _NOTHING,
    "checkpoint": _NOTHING,
    "digest hourly": _NOTHING,
    "missed digest hourly": _NOTHING,
}
"""Per job what it writes down, by where the action stands and the mode; never what only people decide."""
