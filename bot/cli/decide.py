"""`operator actions cancel`, `explain`, `abort`, `resolve` and `snooze`."""

import os
from datetime import timedelta

import typer

from actions.models import RefusalCode
from bot.cli.caller import caller
from bot.cli.look import print_as_json
from bot.cli.output import say
from bot.settings import load
from bot.settings_values import duration
from bot.views.times import moment
from bot.wiring import Parts, opened


async def cancel(proposal_id: int, *, reason: str, code: str | None, as_json: bool) -> int:
    """Cancel what has not begun."""
    why = _code(code)
    async with opened(load()) as parts:
        by = caller(os.environ)
        # With a code the reason goes where the code goes, so that it is told once.
        await parts.executor.cancel_proposal(proposal_id, by=by, reason="" if why else reason)
        if why is not None:
            await parts.executor.explain_cancellation(proposal_id, by=by, reason=reason, code=why)
        await _tell(parts, proposal_id, f"Action {proposal_id} is cancelled. Nothing ran.", as_json=as_json)
    return 0


async def explain(proposal_id: int, *, reason: str, code: str | None, as_json: bool) -> int:
    """Add why somebody cancelled."""
    why = _code(code)
    if why is None and not reason.strip():
        raise typer.BadParameter("say why: --code, --reason, or both", param_hint="--code")
    async with opened(load()) as parts:
        await parts.executor.explain_cancellation(proposal_id, by=caller(os.environ), reason=reason, code=why)
        text = f"It is written down why action {proposal_id} was cancelled. The next diagnosis of this fault says so."
        await _tell(parts, proposal_id, text, as_json=as_json)
    return 0


async def abort(proposal_id: int, *, as_json: bool) -> int:
    """Stop what is of high risk and about to begin."""
    async with opened(load()) as parts:
        return await abort_in(parts, proposal_id, as_json=as_json)


async def abort_in(parts: Parts, proposal_id: int, *, as_json: bool) -> int:
    """Stop what is of high risk and about to begin, among these parts."""
    await parts.executor.abort_proposal(proposal_id, by=caller(os.environ))
    await _tell(parts, proposal_id, f"Action {proposal_id} is aborted. Nothing ran.", as_json=as_json)
    return 0


async def snooze(proposal_id: int, *, lasting: str, as_json: bool) -> int:
    """Send no reminder for a while."""
    span = _span(lasting)
    async with opened(load()) as parts:
        following = await parts.reminders.snooze(proposal_id, by=caller(os.environ), lasting=span)
        text = f"Nobody is reminded of action {proposal_id} before {moment(following.due_at)}."
        await _tell(parts, proposal_id, text, as_json=as_json)
    return 0


async def resolve(proposal_id: int, *, happened: bool, reason: str, evidence: str, as_json: bool) -> int:
    """Record what a person saw."""
    async with opened(load()) as parts:
        by = caller(os.environ)
        await parts.executor.resolve_proposal(proposal_id, happened=happened, by=by, reason=reason, evidence=evidence)
        said = "happened" if happened else "did not happen"
        text = f"Action {proposal_id} is recorded as: it {said}. Its target is free for other actions again."
        await _tell(parts, proposal_id, text, as_json=as_json)
    return 0


def _code(word: str | None) -> RefusalCode | None:
    try:
        return None if word is None else RefusalCode(word.strip().lower().replace("-", "_"))
    except ValueError:
        known = ", ".join(code.value for code in RefusalCode)
        raise typer.BadParameter(f"{word!r} is no reason; there are: {known}", param_hint="--code") from None


def _span(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None


async def _tell(parts: Parts, proposal_id: int, text: str, *, as_json: bool) -> None:
    if as_json:
        await print_as_json(parts.store, parts.policy, proposal_id)
    else:
        say(text)
