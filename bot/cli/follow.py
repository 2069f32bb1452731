"""`operator actions edit`, `retry` and `undo`: a proposal that follows on another."""

import os
from collections.abc import Awaitable, Mapping, Sequence

import typer

from actions.errors import ConflictError
from actions.models import ActionProposal, ActionStatus
from bot.cli.caller import caller
from bot.cli.look import dossier_of, print_as_json
from bot.cli.output import note, say
from bot.cli.put_up import exit_code, put_up, tell_how_to_decide
from bot.parameter_text import changed_parameters
from bot.settings import load
from bot.wiring import Parts, opened


async def edit(proposal_id: int, *, given: Sequence[str], as_json: bool) -> int:
    """Put the same with other parameters in its place."""
    written = _written(given)
    async with opened(load()) as parts:
        return await edit_in(parts, proposal_id, written=written, as_json=as_json)


async def retry(proposal_id: int, *, given: Sequence[str], as_json: bool) -> int:
    """Propose again what failed."""
    written = _written(given)
    async with opened(load()) as parts:
        return await retry_in(parts, proposal_id, written=written, as_json=as_json)


async def undo(proposal_id: int, *, as_json: bool) -> int:
    """Propose what takes it back."""
    async with opened(load()) as parts:
        return await undo_in(parts, proposal_id, as_json=as_json)


async def edit_in(parts: Parts, proposal_id: int, *, written: Mapping[str, str], as_json: bool) -> int:
    """Put the same with other parameters in its place, among these parts."""
    parameters = await _parameters(parts, proposal_id, written)
    following = parts.executor.edit_proposal(proposal_id, parameters, by=caller(os.environ))
    return await _followed(parts, following, f"takes the place of action {proposal_id}", as_json=as_json)


async def retry_in(parts: Parts, proposal_id: int, *, written: Mapping[str, str], as_json: bool) -> int:
    """Propose again what failed, among these parts."""
    parameters = await _parameters(parts, proposal_id, written) if written else None
    following = _as_wanted(
        parts.executor.retry_proposal(proposal_id, by=caller(os.environ), parameters=parameters), written, parameters
    )
    return await _followed(parts, following, f"tries action {proposal_id} again", as_json=as_json)


async def undo_in(parts: Parts, proposal_id: int, *, as_json: bool) -> int:
    """Propose what takes it back, among these parts."""
    following = parts.executor.undo_proposal(proposal_id, by=caller(os.environ))
    return await _followed(parts, following, f"takes action {proposal_id} back", as_json=as_json)


def _written(given: Sequence[str]) -> dict[str, str]:
    written: dict[str, str] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{one!r} is not name=value", param_hint="--set")
        if name in written:
            raise typer.BadParameter(f"{name!r} is given twice; which one counts?", param_hint="--set")
        written[name] = text
    return written


async def _parameters(parts: Parts, proposal_id: int, written: Mapping[str, str]) -> Mapping[str, object]:
    proposal = (await dossier_of(parts.store, proposal_id)).proposal
    return changed_parameters(parts.registry.get(proposal.action_name), proposal.parameters, written)


async def _as_wanted(
    following: Awaitable[ActionProposal], written: Mapping[str, str], parameters: Mapping[str, object] | None
) -> ActionProposal:
    born = await following
    # The same is proposed again only once, and that may have been with other parameters.
    if parameters is not None and any(born.parameters.get(name) != parameters[name] for name in written):
        raise ConflictError(
            f"It was tried again before, with other parameters, as action {born.id}: operator actions show {born.id}. "
            "Nothing was proposed."
        )
    return born


async def _followed(parts: Parts, following: Awaitable[ActionProposal], how: str, *, as_json: bool) -> int:
    born = await following
    if born.status is not ActionStatus.PROPOSED:
        note(f"that was asked for before; this is what came of it, action {born.id}")
    dossier = await put_up(parts, born.id)
    if as_json:
        await print_as_json(parts.store, parts.policy, born.id)
    else:
        say(f"Action {born.id} {how}.")
        say()
        tell_how_to_decide(parts, dossier)
    return exit_code(dossier.proposal)
