"""Who may do what, where and when: written by hand, and derived from nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from actions.models import ActionStatus
from tests.bot.authorization.kinds import Kind
from tests.bot.authorization.world import Mode

PROPOSED, VALIDATED, APPROVED = ActionStatus.PROPOSED, ActionStatus.VALIDATED, ActionStatus.APPROVED
UNKNOWN, CANCELLED = ActionStatus.UNKNOWN, ActionStatus.CANCELLED
COMPLETED, FAILED = ActionStatus.COMPLETED, ActionStatus.FAILED
EVERY_STATUS: Final = frozenset(ActionStatus)
EVERY_MODE: Final = frozenset(Mode)
PENDING: Final = frozenset({PROPOSED, VALIDATED, APPROVED})

TWO: Final = frozenset({Kind.LISTED, Kind.GRANTED})
THREE: Final = frozenset({Kind.LISTED, Kind.GRANTED, Kind.PROPOSER})
CLI_LISTED: Final = frozenset({Kind.CLI_PERSON, Kind.CLI_PROPOSER})
CLI_ANYBODY: Final = frozenset({Kind.CLI_PERSON, Kind.CLI_PROPOSER, Kind.CLI_STRANGER})
EVERYBODY: Final = frozenset(Kind)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way in: who brings about what by it, in which statuses and modes. In all other cases nothing happens."""

    does: str = ""
    """The audit events, in their order; empty if it decides nothing, whoever comes."""
    who: frozenset[Kind] = frozenset()
    statuses: frozenset[ActionStatus] = EVERY_STATUS
    modes: frozenset[Mode] = EVERY_MODE

    def expected(self, kind: Kind, status: ActionStatus, mode: Mode) -> tuple[str, ...]:
        """Return the events that this caller brings about."""
        applies = kind in self.who and status in self.statuses and mode in self.modes
        return tuple(self.does.split()) if applies else ()


READS: Final = Row()
_APPROVE: Final = Row(does="approved", who=TWO, statuses=frozenset({VALIDATED}), modes=frozenset({Mode.EXECUTE}))
_CANCEL: Final = Row(does="cancelled", who=THREE, statuses=PENDING)
_EXPLAIN: Final = Row(does="explained", who=THREE, statuses=frozenset({CANCELLED}))
_BREAK_GLASS: Final = Row(
    does="break_glass", who=THREE, statuses=frozenset({VALIDATED, APPROVED}), modes=frozenset({Mode.EXECUTE})
)
_EDIT: Final = Row(
    does="proposed cancelled",
    who=THREE,
    statuses=frozenset({PROPOSED, VALIDATED}),
    modes=frozenset({Mode.EXECUTE}),
)
_RETRY: Final = Row(
    does="proposed", who=THREE, statuses=frozenset({FAILED}), modes=frozenset({Mode.EXECUTE, Mode.KILLED})
)
_UNDO: Final = replace(_RETRY, statuses=frozenset({COMPLETED}))
_REVIEW: Final = Row(does="reviewed", who=THREE, statuses=frozenset({COMPLETED}))
_SETTLE: Final = Row(does="completed", who=THREE, statuses=frozenset({UNKNOWN}))
_SNOOZE: Final = Row(does="snoozed", who=THREE, statuses=frozenset({VALIDATED}))
_KILL: Final = Row(does="kill_switch", who=THREE)
_OBSERVE: Final = Row(does="mode_change", who=THREE)
# Execute where it is execute already changes nothing, unless a kill file lies there.
_TO_EXECUTE: Final = frozenset({Mode.OBSERVE, Mode.HELD})
_EXECUTE: Final = Row(does="mode_change", who=THREE, modes=_TO_EXECUTE)

SLACK: Final[Mapping[str, Row]] = {
    "button proposal.approve": _APPROVE,
    "button proposal.cancel": _CANCEL,
    "button proposal.details": READS,
    "button proposal.confirm": READS,
    "button proposal.preview": READS,
    "button proposal.edit": READS,
    "button proposal.break_glass": READS,
    "button proposal.abort": READS,  # it is for high risk
    "button action.undo": _UNDO,
    "button action.retry": READS,
    "button outcome.resolve": READS,
    "button review.close": READS,
    "button kill_switch.throw": READS,
    "button reminder.snooze": _SNOOZE,
    "button reminder.snooze_longer": _SNOOZE,
    "command status": READS,
    "command mode": READS,
    "command mode observe": _OBSERVE,
    "command mode execute": _EXECUTE,
    "command kill-switch": _KILL,
    "command list": READS,
    "command show": READS,
    "command approve": _APPROVE,
    "command cancel": _CANCEL,
    "command reviews": READS,
    "command digest": READS,
    "command help": READS,
    "form details.read": READS,
    "form cancellation.explain": _EXPLAIN,
    "form parameters.edit": _EDIT,
    "form parameters.retry": _RETRY,
    "form approval.confirm": _APPROVE,
    "form break_glass.run": _BREAK_GLASS,
    "form outcome.settle": _SETTLE,
    "form review.comment": _REVIEW,
    "form kill_switch.reason": _KILL,
    "form stop.explain": READS,  # every stop has its reason here
    "closed details.read": READS,
    "closed cancellation.explain": READS,
    "closed parameters.edit": READS,
    "closed parameters.retry": READS,
    "closed approval.confirm": READS,
    "closed break_glass.run": READS,
    "closed outcome.settle": READS,
    "closed review.comment": READS,
    "closed kill_switch.reason": READS,
    "closed stop.explain": READS,
    "event app_home_opened": READS,
    "shortcut message.explain": READS,
}

CORE: Final[Mapping[str, Row]] = {
    "approve": Row(
        does="approved",
        who=frozenset({Kind.LISTED, Kind.GRANTED, Kind.CLI_PERSON}),
        statuses=frozenset({VALIDATED}),
        modes=frozenset({Mode.EXECUTE}),
    ),
    "cancel": Row(does="cancelled", who=THREE | CLI_ANYBODY, statuses=PENDING),
    "explain": Row(does="explained", who=THREE | CLI_ANYBODY, statuses=frozenset({CANCELLED})),
    "resolve": replace(_SETTLE, who=THREE | CLI_LISTED),
    "edit": replace(_EDIT, who=THREE | CLI_LISTED),
    "retry": replace(_RETRY, who=THREE | CLI_LISTED),
    "undo": replace(_UNDO, who=THREE | CLI_LISTED),
    "break glass": replace(_BREAK_GLASS, who=THREE | CLI_LISTED),
    "review": replace(_REVIEW, who=THREE | CLI_LISTED),
    "abort": READS,  # it is for high risk
    "snooze": Row(does="snoozed", who=THREE | CLI_ANYBODY, statuses=frozenset({VALIDATED})),
    "kill": Row(does="kill_switch", who=THREE | CLI_ANYBODY),
    "observe": Row(does="mode_change", who=THREE | CLI_ANYBODY),
    "execute": Row(does="mode_change", who=THREE | CLI_LISTED, modes=_TO_EXECUTE),
    "propose": Row(does="proposed", who=EVERYBODY, modes=frozenset({Mode.EXECUTE, Mode.KILLED})),
}

CLI: Final[Mapping[str, str]] = {
    "actions approve": "approve",
    "actions break-glass": "break glass",
    "actions abort": "abort",
    "actions edit": "edit",
    "actions retry": "retry",
    "actions undo": "undo",
    "actions cancel": "cancel",
    "actions explain": "explain",
    "actions resolve": "resolve",
    "actions snooze": "snooze",
    "actions kill-switch": "kill",
    "actions mode": "execute",
    "reviews close": "review",
    "propose": "propose",
    "actions preview": "",
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
    "POST /api/v1/diagnoses": {"nobody": 401, "another token": 401, "ingest": 202},
    "POST /api/v1/kill-switch": {"nobody": 401, "another token": 401, "ingest": 401},
    "GET /api/v1/actions": {"nobody": 401, "another token": 401, "ingest": 200},
    "GET /api/v1/actions/{proposal_id}": {"nobody": 401, "another token": 401, "ingest": 200},
    "GET /healthz": {"nobody": 200, "another token": 200, "ingest": 200},
    "GET /readyz": {"nobody": 200, "another token": 200, "ingest": 200},
    "POST /slack/events": {"nobody": 401, "another token": 401, "ingest": 401},
}
"""Per route the answer to who comes; other methods of these paths get 4xx. Slack's path wants a signature."""

_Writes = Mapping[tuple[ActionStatus, Mode], set[str]]
_VALIDATES: Final[_Writes] = {(PROPOSED, mode): {"validated"} for mode in EVERY_MODE - {Mode.KILLED}}
_STANDS_DOWN: Final[_Writes] = {(status, Mode.KILLED): {"cancelled"} for status in PENDING}
_NOTHING: Final[_Writes] = {}

JOBS: Final[Mapping[str, _Writes]] = {
    "dispatcher": {
        (APPROVED, Mode.EXECUTE): {"executing", "completed"},
        (APPROVED, Mode.KILLED): {"cancelled"},
    },
    "agent": _NOTHING,
    "delivery": _NOTHING,
    "holding the lease": _NOTHING,
    "looking at targets": _NOTHING,
    "counting down": _NOTHING,
    "reminding": _NOTHING,
    "sweeping": {**_VALIDATES, **_STANDS_DOWN},
    "reconciling": {(UNKNOWN, mode): {"failed"} for mode in EVERY_MODE},
    "comparing cards": _NOTHING,
    "asking who the approvers are": _NOTHING,
    "pruning": _NOTHING,
    "checkpoint": _NOTHING,
    "digest hourly": _NOTHING,
    "missed digest hourly": _NOTHING,
}
"""Per job what it writes down, by the status of the action and the mode; never a decision."""
