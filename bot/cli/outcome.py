"""Brings about what is approved, or waits for whoever does, and says what came of it."""

import asyncio
import os
import sys
from typing import Final

from actions.errors import AlreadyDecidedError, ConflictError, NotReadyError, StaleError, TargetUnavailableError
from actions.lifecycle import TERMINAL
from actions.models import ActionProposal, ActionStatus, Actor, ActorKind, ReasonCode
from actions.ports import Dossier
from bot.cli.caller import caller
from bot.cli.look import dossier_of, print_as_json
from bot.cli.output import clean, note, say
from bot.cli.put_up import put_up, tell_how_to_decide
from bot.housekeeping import RUN_LEASE
from bot.views.headline import headline
from bot.views.times import moment
from bot.wiring import Parts

LOOK: Final = 0.2
PATIENCE: Final = 60.0
"""Seconds that something may still take to begin, and then to end, while a person waits."""
REMARK: Final = 5.0
_ENDED: Final = TERMINAL | {ActionStatus.UNKNOWN}


async def nobody_runs(parts: Parts) -> bool:
    """Return whether no `operator run` is alive, so that this process does what it would do."""
    now = parts.clock.now()
    return await parts.store.read(lambda reader: reader.lease_holder(RUN_LEASE, now)) is None


async def bring_about(parts: Parts, proposal_id: int, *, alone: bool, as_json: bool) -> int:
    """Run what is approved if nobody else does, wait for its end, print it, and return the exit code."""
    dossier = await dossier_of(parts.store, proposal_id)
    if dossier.proposal.status is ActionStatus.APPROVED:
        if _ahead(parts, dossier.proposal) > PATIENCE:
            return await _later(parts, dossier.proposal, alone=alone, as_json=as_json)
        if alone:
            _require_checkable(dossier)
        await _count_down(parts, dossier.proposal)
        if alone:
            await _execute(parts, proposal_id)
        dossier = await _wait(parts, proposal_id)
    return await _result(parts, dossier, as_json=as_json)


def _ahead(parts: Parts, proposal: ActionProposal) -> float:
    starts = proposal.not_before
    return 0.0 if starts is None else (starts - parts.clock.now()).total_seconds()


async def _later(parts: Parts, proposal: ActionProposal, *, alone: bool, as_json: bool) -> int:
    if as_json:
        await print_as_json(parts.store, parts.policy, proposal.id)
    else:
        starts = moment(proposal.not_before) if proposal.not_before else "later"
        because = f" because: {clean(proposal.detail)}" if proposal.detail else ""
        say()
        say(f"Action {proposal.id}: approved, runs at {starts}{because}")
        say(f"Until then it can be cancelled: operator actions cancel {proposal.id}")
    if alone:
        note("no `operator run` is alive; start it before then, for only it runs what was approved for later")
    return 0


def _require_checkable(dossier: Dossier) -> None:
    if dossier.proposal.break_glass:
        return  # whoever broke the glass answers for it alone
    if any(Actor.parse(approval.actor).kind is ActorKind.SLACK for approval in dossier.approvals):
        raise TargetUnavailableError(
            f"Action {dossier.proposal.id} is approved, but not all of its approvals can be checked from here: some "
            "came from Slack, and no `operator run` is alive. Start it; it runs the action if there is time left."
        )


async def _count_down(parts: Parts, proposal: ActionProposal) -> None:
    """Wait until it may begin; Ctrl-C meanwhile stops it."""
    told = False
    try:
        while (ahead := _ahead(parts, proposal)) > 0 and await _still_approved(parts, proposal.id):
            _tell_seconds(proposal.id, ahead, again=told)
            told = True
            await parts.clock.sleep(min(ahead, 1.0))
    except asyncio.CancelledError:
        await _stop(parts, proposal)
    finally:
        if told and sys.stderr.isatty():
            sys.stderr.write("\n")


async def _still_approved(parts: Parts, proposal_id: int) -> bool:
    return (await dossier_of(parts.store, proposal_id)).proposal.status is ActionStatus.APPROVED


def _tell_seconds(proposal_id: int, ahead: float, *, again: bool) -> None:
    text = f"action {proposal_id} runs in {ahead:2.0f} s; Ctrl-C stops it"
    if sys.stderr.isatty():
        sys.stderr.write(f"\roperator: {text} ")  # written over itself, so it must fit on a line
        sys.stderr.flush()
    elif not again:
        note(f"{text}, and so does operator actions abort {proposal_id}")


async def _stop(parts: Parts, proposal: ActionProposal) -> None:
    # Ctrl-C was pressed to stop the action, not the command, which goes on to say what came of that.
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
    by, executor = caller(os.environ), parts.executor
    try:
        if executor.schedule.is_abortable(proposal, parts.clock.now()):
            await executor.abort_proposal(proposal.id, by=by)
        else:
            await executor.cancel_proposal(proposal.id, by=by, reason="Interrupted on the command line")
    except ConflictError as error:
        note(f"too late to stop it: {error}")


async def _execute(parts: Parts, proposal_id: int) -> None:
    if not await _still_approved(parts, proposal_id):
        return
    try:
        await parts.executor.execute_proposal(proposal_id)
    except (NotReadyError, AlreadyDecidedError, StaleError) as error:
        # An `operator run` that came up this moment took it, the kill switch was thrown, or the target has changed:
        # what is stored decides.
        note(str(error))


async def _wait(parts: Parts, proposal_id: int) -> Dossier:
    started = parts.clock.monotonic()
    remark = started + REMARK
    while True:
        dossier = await dossier_of(parts.store, proposal_id)
        now = parts.clock.monotonic()
        if dossier.proposal.status in _ENDED or now - started > PATIENCE:
            return dossier
        if now >= remark:
            remark = now + REMARK
            note(
                f"action {proposal_id} is {dossier.proposal.status.value}; waiting for its end ({now - started:.0f} s)"
            )
        await parts.clock.sleep(LOOK)


async def _result(parts: Parts, dossier: Dossier, *, as_json: bool) -> int:
    successor = dossier.replaced_by if dossier.proposal.reason_code is ReasonCode.STALE else None
    anew = None if successor is None else await put_up(parts, successor)
    if as_json:
        await print_as_json(parts.store, parts.policy, dossier.proposal.id)
    else:
        said = headline(dossier, parts.clock.now())
        say()
        say(f"Action {dossier.proposal.id}: {said.state}. {said.meaning}")
        if dossier.proposal.detail:
            say(clean(dossier.proposal.detail))
        if anew is not None:
            say()
            tell_how_to_decide(parts, anew)
    return _exit_code(dossier.proposal)


def _exit_code(proposal: ActionProposal) -> int:
    match proposal.status:
        case ActionStatus.COMPLETED | ActionStatus.VALIDATED:
            return 0
        case ActionStatus.FAILED | ActionStatus.CANCELLED | ActionStatus.EXPIRED:
            return 1
        case ActionStatus.UNKNOWN:
            note(
                f"the outcome of action {proposal.id} is unknown: do not repeat it. `operator run` looks what became "
                f"of it; if you know, say so: operator actions resolve {proposal.id} --happened --reason …"
            )
            return 3
        case _:
            note(f"action {proposal.id} is still {proposal.status.value}: operator actions show {proposal.id}")
            return 3
