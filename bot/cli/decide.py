"""`operator actions cancel` and `resolve`."""

import os

from bot.action_json import action_json
from bot.cli.caller import caller
from bot.cli.look import dossier_of
from bot.cli.output import print_json, say
from bot.settings import load
from bot.wiring import Parts, opened


async def cancel(proposal_id: int, *, reason: str, as_json: bool) -> int:
    """Cancel what has not begun."""
    async with opened(load()) as parts:
        await parts.executor.cancel_proposal(proposal_id, by=caller(os.environ), reason=reason)
        await _tell(parts, proposal_id, f"Action {proposal_id} is cancelled. Nothing ran.", as_json=as_json)
    return 0


async def resolve(proposal_id: int, *, happened: bool, reason: str, as_json: bool) -> int:
    """Record what a person saw."""
    async with opened(load()) as parts:
        await parts.executor.resolve_proposal(proposal_id, happened=happened, by=caller(os.environ), reason=reason)
        said = "happened" if happened else "did not happen"
        text = f"Action {proposal_id} is recorded as: it {said}. Its target is free for other actions again."
        await _tell(parts, proposal_id, text, as_json=as_json)
    return 0


async def _tell(parts: Parts, proposal_id: int, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(action_json(await dossier_of(parts.store, proposal_id)))
    else:
        say(text)
