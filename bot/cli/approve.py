"""`operator actions approve` and `break-glass`: decide, then run it here or wait for whoever runs it."""

import asyncio
import os
from collections.abc import Awaitable

from actions.errors import StaleError
from actions.lifecycle import BREAK_GLASS
from actions.models import ActionProposal, ActionStatus, Verb, Via
from bot.cli.action_text import print_plan
from bot.cli.caller import caller
from bot.cli.consent import approval_is_meant, can_ask, target_is_meant
from bot.cli.look import dossier_of
from bot.cli.outcome import bring_about, nobody_runs
from bot.cli.output import note
from bot.local_directory import MEMBER
from bot.reach import build_policy, reading
from bot.settings import load
from bot.system import SystemClock
from bot.wiring import Parts, opened


def agreed(proposal_id: int, *, yes: bool, confirm: str | None, as_json: bool) -> bool:
    """Print what would be done and why, unless it is for a program, and return whether an approval is meant."""
    proposal, allowed = asyncio.run(_shown(proposal_id, Verb.APPROVE, as_json=as_json))
    if proposal.status is not ActionStatus.VALIDATED or not allowed:
        return True  # it is refused in any case, and the refusal is written down
    return approval_is_meant(proposal, confirm=confirm, ask=can_ask(yes=yes, as_json=as_json))


def glass_is_to_be_broken(proposal_id: int, *, confirm: str | None, as_json: bool) -> bool:
    """Print what would be done and why, unless it is for a program, and return whether it is meant."""
    proposal, allowed = asyncio.run(_shown(proposal_id, Verb.BREAK_GLASS, as_json=as_json))
    if proposal.status not in BREAK_GLASS.sources or not allowed:
        return True  # as above
    if not as_json:
        note(
            "it runs now, on your word alone, through freezes too; everybody is told, and a review stays open until a "
            "second person closes it. It does not pass the kill switch, and not observe mode"
        )
    return target_is_meant(proposal, "break the glass for", confirm=confirm, ask=can_ask(yes=False, as_json=as_json))


async def approve(proposal_id: int, *, as_json: bool) -> int:
    """Approve, and see what comes of it."""
    async with opened(load()) as parts:
        return await approve_in(parts, proposal_id, as_json=as_json)


async def approve_in(parts: Parts, proposal_id: int, *, as_json: bool) -> int:
    """Approve among these parts, and see what comes of it."""
    dossier = await dossier_of(parts.store, proposal_id)
    alone = await nobody_runs(parts)
    if not (alone and dossier.proposal.status is ActionStatus.APPROVED):
        await _decided(parts.executor.approve_proposal(proposal_id, by=caller(os.environ)))
    return await bring_about(parts, proposal_id, alone=alone, as_json=as_json)


async def break_glass(proposal_id: int, *, reason: str, as_json: bool) -> int:
    """Run it past everybody else, and see what comes of it."""
    async with opened(load()) as parts:
        return await break_glass_in(parts, proposal_id, reason=reason, as_json=as_json)


async def break_glass_in(parts: Parts, proposal_id: int, *, reason: str, as_json: bool) -> int:
    """Run it past everybody else among these parts, and see what comes of it."""
    await _decided(parts.executor.break_glass(proposal_id, by=caller(os.environ), reason=reason))
    code = await bring_about(parts, proposal_id, alone=await nobody_runs(parts), as_json=as_json)
    if (await dossier_of(parts.store, proposal_id)).review is not None:
        note(f"a review is open: somebody else looks at it, and runs operator reviews close {proposal_id} --comment …")
    return code


async def _shown(proposal_id: int, verb: Verb, *, as_json: bool) -> tuple[ActionProposal, bool]:
    settings = load()
    async with reading(settings) as store:
        dossier = await dossier_of(store, proposal_id)
    if not as_json:
        print_plan(dossier, SystemClock().now())
    me = caller(os.environ).actor
    decision = build_policy(settings).authorize(me, verb, dossier.proposal, MEMBER, via=Via.CLI)
    return dossier.proposal, decision.allowed


async def _decided(deciding: Awaitable[object]) -> None:
    try:
        await deciding
    except StaleError as error:
        if error.successor is None:
            raise
        note(str(error))  # the same was proposed anew, which is shown next
