"""`operator actions approve`: decide, then run it here or wait for whoever runs it."""

import asyncio
import os
import sys
from typing import Final

import typer

from actions.errors import AlreadyDecidedError, NotReadyError, TargetUnavailableError
from actions.lifecycle import TERMINAL
from actions.models import ActionProposal, ActionStatus, Actor, ActorKind, Risk
from actions.ports import Dossier
from bot.action_json import action_json
from bot.cli.caller import caller
from bot.cli.look import dossier_of, print_plan
from bot.cli.output import clean, note, print_json, say
from bot.housekeeping import RUN_LEASE
from bot.reach import reading
from bot.settings import load
from bot.system import SystemClock
from bot.views.headline import headline
from bot.wiring import Parts, opened

LOOK: Final = 0.2
PATIENCE: Final = 60.0
REMARK: Final = 5.0
_ENDED: Final = TERMINAL | {ActionStatus.UNKNOWN}


def agreed(proposal_id: int, *, ask: bool) -> bool:
    """Print what would be done and why; from medium risk up, and if a person is there, ask. No is the default."""
    dossier = asyncio.run(_read(proposal_id))
    print_plan(dossier, SystemClock().now())
    proposal = dossier.proposal
    decided = proposal.risk is Risk.LOW or proposal.status is not ActionStatus.VALIDATED
    if decided or not ask or not sys.stdin.isatty():
        return True
    if typer.confirm(f"Approve action {proposal.id}, {proposal.risk.value} risk?", err=True):
        return True
    note(f"not approved; action {proposal_id} is as it was")
    return False


async def approve(proposal_id: int, *, as_json: bool) -> int:
    """Approve, and see what comes of it."""
    async with opened(load()) as parts:
        return await approve_in(parts, proposal_id, as_json=as_json)


async def approve_in(parts: Parts, proposal_id: int, *, as_json: bool) -> int:
    """Approve among these parts, and see what comes of it."""
    dossier = await dossier_of(parts.store, proposal_id)
    alone = await _nobody_runs(parts)
    if not (alone and dossier.proposal.status is ActionStatus.APPROVED):
        await parts.executor.approve_proposal(proposal_id, by=caller(os.environ))
    return await _bring_about(parts, proposal_id, alone=alone, as_json=as_json)


async def _read(proposal_id: int) -> Dossier:
    async with reading(load()) as store:
        return await dossier_of(store, proposal_id)


async def _nobody_runs(parts: Parts) -> bool:
    now = parts.clock.now()
    return await parts.store.read(lambda reader: reader.lease_holder(RUN_LEASE, now)) is None


async def _bring_about(parts: Parts, proposal_id: int, *, alone: bool, as_json: bool) -> int:
    dossier = await dossier_of(parts.store, proposal_id)
    if dossier.proposal.status is ActionStatus.APPROVED:
        if alone and _from_slack(dossier):
            raise TargetUnavailableError(
                f"Action {proposal_id} is approved, but not all of its approvals can be checked from here: some came "
                "from Slack, and no `operator run` is alive. Start it; it runs the action if there is time left."
            )
        if alone:
            await _execute(parts, proposal_id)
        dossier = await _wait(parts, proposal_id)
    return _result(parts, dossier, as_json=as_json)


def _from_slack(dossier: Dossier) -> bool:
    return any(Actor.parse(approval.actor).kind is ActorKind.SLACK for approval in dossier.approvals)


async def _execute(parts: Parts, proposal_id: int) -> None:
    try:
        await parts.executor.execute_proposal(proposal_id)
    except (NotReadyError, AlreadyDecidedError) as error:
        # An `operator run` that came up this moment took it, or the kill switch was thrown: what is stored decides.
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


def _result(parts: Parts, dossier: Dossier, *, as_json: bool) -> int:
    if as_json:
        print_json(action_json(dossier))
    else:
        said = headline(dossier, parts.clock.now())
        say()
        say(f"Action {dossier.proposal.id}: {said.state}. {said.meaning}")
        if dossier.proposal.detail:
            say(clean(dossier.proposal.detail))
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
