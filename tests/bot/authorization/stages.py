"""Everywhere that an action can stand when somebody comes, and how it is brought there: by those who may."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.models import (
    ActionProposal,
    ActionRecord,
    ActionStatus,
    Caller,
    FailureOutcome,
    ReasonCode,
    SuccessOutcome,
)
from actions.ports import Store, Transaction
from actions.safety import SWEEPER
from actions.transitions import note
from bot.wiring import Parts
from tests.bot.authorization.kinds import SECOND, THIRD, Kind, caller
from tests.memory_store import MemoryStore
from tests.rig import AGENT


class Stage(StrEnum):
    """Where the action stands. Its risk is low, and it needs one person, unless it says otherwise."""

    NEW = "proposed"
    UNATTENDED = "proposed by the agent, of a kind that a rule approves"
    ASKED_FOR = "proposed by a person, of a kind that a rule approves"
    WAITING = "validated"
    LEFT = "validated, left to people by a rule"
    RISKY = "validated, of high risk, one more needed"
    EDITED = "validated, after somebody changed its parameters"
    LAPSED = "validated, past its time and not yet swept"
    APPROVED = "approved"
    LATER = "approved, for later"
    ABORTABLE = "approved, of high risk, in its last seconds"
    RISKY_LATER = "approved, of high risk, for later"
    BROKEN = "approved by breaking the glass"
    EXECUTING = "executing"
    UNKNOWN = "unknown"
    COMPLETED = "completed"
    OLD = "completed, longer ago than can be undone"
    REVIEWABLE = "completed after breaking the glass"
    REVIEWED = "completed after breaking the glass, and reviewed"
    FAILED = "failed without any effect"
    PARTIAL = "failed in part"
    CANCELLED = "cancelled by a person"
    STOPPED = "cancelled by a stop"
    SUPERSEDED = "cancelled, because another took its place"
    EXPIRED = "expired"


Step = Callable[[Parts], Awaitable[object]]
_BY: Final = caller(Kind.PROPOSER)


async def _proposed(parts: Parts, action: str, by: Caller = _BY) -> None:
    recommendation = ActionRecommendation(
        action_name=f"rack.{action}", parameters={"item": "a"}, reason="because", expected_outcome="touched"
    )
    await parts.executor.propose_action(Proposition(recommendation=recommendation, source_key="matrix", by=by))


async def _held_back(parts: Parts) -> None:
    parts.kill_files.drop()
    await parts.executor.validate_proposal(1)
    parts.kill_files.remove(parts.kill_files.present())


async def _edited(parts: Parts) -> None:
    await parts.executor.edit_proposal(1, {"item": "a", "mark": "edited"}, by=caller(Kind.REVISER))
    await parts.executor.validate_proposal(2)


async def _made(parts: Parts, change: Callable[[ActionProposal], Mapping[str, Any]]) -> None:
    tables = _memory(parts.store).tables.copy()
    tables.proposals[1] = replace(tables.proposals[1], **change(tables.proposals[1]))
    _memory(parts.store).tables = tables


async def _later(parts: Parts) -> None:
    starts = parts.clock.now() + timedelta(hours=1)
    ends = starts + timedelta(hours=1)
    await _made(parts, lambda _: {"not_before": starts, "expires_at": ends, "approval_expires_at": ends})


async def _ended_long_ago(parts: Parts) -> None:
    tables = _memory(parts.store).tables.copy()
    tables.records[1] = replace(tables.records[1], finished_at=parts.clock.now() - timedelta(days=1))
    _memory(parts.store).tables = tables


def _memory(store: Store) -> MemoryStore:
    assert isinstance(store, MemoryStore)
    return store


async def _moved(parts: Parts, to: ActionStatus, **also: object) -> None:
    await parts.store.write(lambda tx: _move(tx, to, also, parts))


def _move(tx: Transaction, to: ActionStatus, also: Mapping[str, object], parts: Parts) -> None:
    proposal = tx.proposal(1)
    assert proposal is not None
    now = parts.clock.now()
    changes = {**also, "lease_until": now}
    if to is ActionStatus.EXECUTING:
        changes = {"attempts": 1, "owner": parts.owner, "fence": 1, "lease_until": now + timedelta(hours=1)}
        tx.save_record(ActionRecord(proposal_id=1, token=proposal.token, owner=parts.owner, fence=1, started_at=now))
    elif (record := tx.record(1)) is not None:
        tx.save_record(replace(record, finished_at=now))
    moved = tx.move(proposal, to, changes)
    assert moved is not None
    note(tx, to.value, by=SWEEPER, at=now, proposal_id=1, data={"row": moved.row_digest()})


_touch, _crush, _nudge = (partial(_proposed, action=name) for name in ("touch", "crush", "nudge"))
_lapsed: Final = partial(_made, change=lambda one: {"expires_at": one.proposed_at})
_executing: Final = partial(_moved, to=ActionStatus.EXECUTING)
_completed: Final = partial(_moved, to=ActionStatus.COMPLETED, outcome=SuccessOutcome.CONFIRMED)


async def _validated(parts: Parts) -> None:
    await parts.executor.validate_proposal(1)


async def _approved(parts: Parts) -> None:
    await parts.executor.approve_proposal(1, by=SECOND)


async def _approved_by_two(parts: Parts) -> None:
    await _approved(parts)
    await parts.executor.approve_proposal(1, by=THIRD)


async def _broken(parts: Parts) -> None:
    await parts.executor.break_glass(1, by=caller(Kind.BREAKER), reason="because")


async def _reviewed(parts: Parts) -> None:
    await parts.executor.close_review(1, by=SECOND, comment="it was right")


async def _cancelled(parts: Parts) -> None:
    await parts.executor.cancel_proposal(1, by=SECOND)


_WAITING: Final[tuple[Step, ...]] = (_touch, _validated)
_RISKY: Final[tuple[Step, ...]] = (_crush, _validated)
_RUNS: Final[tuple[Step, ...]] = (*_WAITING, _approved, _executing)
_WITHOUT_ASKING: Final[tuple[Step, ...]] = (*_RISKY, _broken, _executing, _completed)

STEPS: Final[Mapping[Stage, tuple[Step, ...]]] = {
    Stage.NEW: (_touch,),
    Stage.UNATTENDED: (partial(_nudge, by=AGENT),),
    Stage.ASKED_FOR: (_nudge,),
    Stage.WAITING: _WAITING,
    Stage.LEFT: (_nudge, _held_back),
    Stage.RISKY: (*_RISKY, _approved),
    Stage.EDITED: (*_WAITING, _edited),
    Stage.LAPSED: (*_WAITING, _lapsed),
    Stage.APPROVED: (*_WAITING, _approved),
    Stage.LATER: (*_WAITING, _approved, _later),
    Stage.ABORTABLE: (*_RISKY, _approved_by_two),
    Stage.RISKY_LATER: (*_RISKY, _approved_by_two, _later),
    Stage.BROKEN: (*_RISKY, _broken),
    Stage.EXECUTING: _RUNS,
    Stage.UNKNOWN: (*_RUNS, partial(_moved, to=ActionStatus.UNKNOWN)),
    Stage.COMPLETED: (*_RUNS, _completed),
    Stage.OLD: (*_RUNS, _completed, _ended_long_ago),
    Stage.REVIEWABLE: _WITHOUT_ASKING,
    Stage.REVIEWED: (*_WITHOUT_ASKING, _reviewed),
    Stage.FAILED: (*_RUNS, partial(_moved, to=ActionStatus.FAILED, outcome=FailureOutcome.NO_EFFECT)),
    Stage.PARTIAL: (*_RUNS, partial(_moved, to=ActionStatus.FAILED, outcome=FailureOutcome.PARTIAL)),
    Stage.CANCELLED: (*_WAITING, _cancelled),
    Stage.STOPPED: (*_WAITING, partial(_moved, to=ActionStatus.CANCELLED, reason_code=ReasonCode.KILL_SWITCH)),
    Stage.SUPERSEDED: (*_WAITING, _edited),
    Stage.EXPIRED: (*_WAITING, partial(_moved, to=ActionStatus.EXPIRED)),
}
"""How each is reached."""
FOCUS: Final[Mapping[Stage, int]] = {Stage.EDITED: 2}
"""The number of the action that people come about, where it is not 1."""
