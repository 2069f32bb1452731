"""Which status may follow which. Pure; docs/lifecycle.md is held to this table by a test."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from actions.models import ActionStatus

PROPOSED, VALIDATED, APPROVED = ActionStatus.PROPOSED, ActionStatus.VALIDATED, ActionStatus.APPROVED
EXECUTING, UNKNOWN = ActionStatus.EXECUTING, ActionStatus.UNKNOWN
COMPLETED, FAILED = ActionStatus.COMPLETED, ActionStatus.FAILED
CANCELLED, EXPIRED = ActionStatus.CANCELLED, ActionStatus.EXPIRED

PENDING: Final = frozenset({PROPOSED, VALIDATED, APPROVED})
"""Nothing was sent yet; it can still be cancelled."""
IN_FLIGHT: Final = frozenset({EXECUTING, UNKNOWN})
"""An effect may have begun."""
TERMINAL: Final = frozenset({COMPLETED, FAILED, CANCELLED, EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of the lifecycle: from where, to where, on what occasion, and what the audit log calls it."""

    id: str
    sources: frozenset[ActionStatus]
    """Empty for the birth of a proposal."""
    to: ActionStatus
    trigger: str
    event: str
    live: bool = False
    """Needs mode execute, the current epochs, time left, and no kill file."""
    fenced: bool = False
    """Needs the fence number under which the attempt was claimed."""


def _row(
    id: str,  # noqa: A002 - the table reads best with the design's own word
    sources: Iterable[ActionStatus],
    to: ActionStatus,
    trigger: str,
    event: str,
    *,
    live: bool = False,
    fenced: bool = False,
) -> Transition:
    return Transition(id=id, sources=frozenset(sources), to=to, trigger=trigger, event=event, live=live, fenced=fenced)


PROPOSE = _row("T1", (), PROPOSED, "propose", "proposed")
VALIDATE = _row("T2", {PROPOSED}, VALIDATED, "validate", "validated")
REJECT = _row("T3", {PROPOSED}, CANCELLED, "validate fails", "cancelled")
COUNT_APPROVAL = _row("T4", {VALIDATED}, VALIDATED, "approval, more needed", "approval", live=True)
APPROVE = _row("T5", {VALIDATED}, APPROVED, "approval, the last needed", "approved", live=True)
BREAK_GLASS = _row("T5", {VALIDATED, APPROVED}, APPROVED, "break-glass, by one person", "break_glass", live=True)
CANCEL = _row("T6", PENDING, CANCELLED, "cancel", "cancelled")
KILL = _row("T7", PENDING, CANCELLED, "kill switch", "cancelled")
STAND_DOWN = _row("T8", PENDING, CANCELLED, "mode observe", "cancelled")
EXPIRE = _row("T10", PENDING, EXPIRED, "time is up", "expired")
CLAIM = _row("T11", {APPROVED}, EXECUTING, "claim", "executing", live=True)
COMPLETE = _row("T12", {EXECUTING}, COMPLETED, "the target said yes, or it was seen", "completed", fenced=True)
FAIL = _row("T13", {EXECUTING}, FAILED, "known not to have happened, or only in part", "failed", fenced=True)
LOSE_TRACK = _row("T14", {EXECUTING}, UNKNOWN, "timeout, reset, 5xx, cancellation, shutdown", "unknown", fenced=True)
LOSE_LEASE = _row("T15", {EXECUTING}, UNKNOWN, "the lease ran out", "unknown", fenced=True)
FOUND_DONE = _row("T16", {UNKNOWN}, COMPLETED, "two equal observations: it happened", "completed", fenced=True)
FOUND_UNDONE = _row("T16", {UNKNOWN}, FAILED, "two equal observations: it did not", "failed", fenced=True)
ATTEST_DONE = _row("T17", {UNKNOWN}, COMPLETED, "a named person: it happened", "completed", fenced=True)
ATTEST_UNDONE = _row("T17", {UNKNOWN}, FAILED, "a named person: it did not", "failed", fenced=True)
WITHDRAW = _row("T18", PENDING, CANCELLED, "stale, superseded, or denied by policy", "cancelled")

TRANSITIONS: Final = (
    PROPOSE, VALIDATE, REJECT, COUNT_APPROVAL, APPROVE, BREAK_GLASS, CANCEL, KILL, STAND_DOWN, EXPIRE, CLAIM, COMPLETE,
    FAIL, LOSE_TRACK, LOSE_LEASE, FOUND_DONE, FOUND_UNDONE, ATTEST_DONE, ATTEST_UNDONE, WITHDRAW,
)  # fmt: skip
"""Every way a proposal's status changes. T9 (mode execute) changes the control row alone."""

BIRTH: Final = PROPOSE.event
_STEPS: Final[Mapping[tuple[ActionStatus, str], ActionStatus]] = {
    (source, row.event): row.to
    for row in TRANSITIONS
    for source in row.sources
    if source != row.to or row.event in {"approval", "break_glass"}
}
STATUS_EVENTS: Final = frozenset(row.event for row in TRANSITIONS)
"""Audit events that change, or confirm, a status; all others leave it alone."""


def may_become(source: ActionStatus, to: ActionStatus) -> bool:
    """Return whether any transition leads from *source* to *to*."""
    return any(source in row.sources and row.to == to for row in TRANSITIONS)


def is_final(status: ActionStatus) -> bool:
    """Return whether nothing can follow."""
    return status in TERMINAL


def replay(status: ActionStatus | None, event: str) -> ActionStatus | None:
    """Return the status after an audit *event*, as the table says.

    Raises:
        ValueError: if the table has no such step.
    """
    if event not in STATUS_EVENTS:
        return status
    if event == BIRTH:
        if status is not None:
            raise ValueError(f"{event} twice")
        return PROPOSED
    if status is None:
        raise ValueError(f"{event} before {BIRTH}")
    try:
        return _STEPS[status, event]
    except KeyError:
        raise ValueError(f"{event} from {status.value}") from None
