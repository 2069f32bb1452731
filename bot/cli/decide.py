"""`operator actions cancel`, `resolve` and `snooze`."""

import os
from datetime import timedelta

import typer

from bot.action_json import action_json
from bot.cli.caller import caller
from bot.cli.look import dossier_of
from bot.cli.output import print_json, say
from bot.settings import load
from bot.settings_values import duration
from bot.views.times import moment
from bot.wiring import Parts, opened


async def cancel(proposal_id: int, *, reason: str, as_json: bool) -> int:
    """Cancel what has not begun."""
    async with opened(load()) as parts:
        await parts.executor.cancel_proposal(proposal_id, by=caller(os.environ), reason=reason)
        await _tell(parts, proposal_id, f"Action {proposal_id} is cancelled. Nothing ran.", as_json=as_json)
    return 0


async def snooze(proposal_id: int, *, lasting: str, as_json: bool) -> int:
    """Send no reminder for a while."""
    span = _span(lasting)
    async with opened(load()) as parts:
        following = await parts.reminders.snooze(proposal_id, by=caller(os.environ), lasting=span)
        text = f"Nobody is reminded of action {proposal_id} before {moment(following.due_at)}."
        await _tell(parts, proposal_id, text, as_json=as_json)
    return 0


async def resolve(proposal_id: int, *, happened: bool, reason: str, as_json: bool) -> int:
    """Record what a person saw."""
    async with opened(load()) as parts:
        await parts.executor.resolve_proposal(proposal_id, happened=happened, by=caller(os.environ), reason=reason)
        said = "happened" if happened else "did not happen"
        text = f"Action {proposal_id} is recorded as: it {said}. Its target is free for other actions again."
        await _tell(parts, proposal_id, text, as_json=as_json)
    return 0


def _span(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None


async def _tell(parts: Parts, proposal_id: int, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(action_json(await dossier_of(parts.store, proposal_id)))
    else:
        say(text)
