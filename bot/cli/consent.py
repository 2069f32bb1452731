"""Whether whoever runs a command means it: the plan is shown, and then a yes or the target's name is asked for."""

import shlex
import sys

import typer

from actions.models import ActionProposal, Risk
from bot.cli.output import literal, note
from bot.views.target_input import typed_matches


def can_ask(*, yes: bool, as_json: bool) -> bool:
    """Return whether there is a person at a terminal who wants to be asked."""
    return not yes and not as_json and sys.stdin.isatty()


def approval_is_meant(proposal: ActionProposal, *, confirm: str | None, ask: bool) -> bool:
    """Return whether an approval is meant: low risk always, medium unless a person says no, high by the target's name.

    Where the name was given without need, it has to be right too.

    Raises:
        typer.BadParameter: nobody can be asked for the name
    """
    if proposal.risk is Risk.HIGH or confirm is not None:
        return target_is_meant(proposal, "approve", confirm=confirm, ask=ask)
    if proposal.risk is Risk.LOW or not ask:
        return True
    if typer.confirm(f"Approve action {proposal.id}, {proposal.risk.value} risk?", err=True):
        return True
    note(f"not approved; action {proposal.id} is as it was")
    return False


def target_is_meant(proposal: ActionProposal, to_do: str, *, confirm: str | None, ask: bool) -> bool:
    """Return whether the target's name was given, or is typed now, as it is shown; space around it does not count.

    Raises:
        typer.BadParameter: nobody can be asked for it
    """
    name = literal(proposal.target)
    if confirm is None and not ask:
        raise typer.BadParameter(
            f"to {to_do} action {proposal.id}, say the name of its target: --confirm {shlex.quote(name)}. "
            f"Look at it first: operator actions show {proposal.id}"
        )
    entered = confirm if confirm is not None else _typed(f"To {to_do} action {proposal.id}, type its target, {name}")
    if typed_matches(proposal.target, entered):
        return True
    note(f"that is not the name of the target, which is {name}; action {proposal.id} is as it was")
    return False


def _typed(question: str) -> str:
    answer: str = typer.prompt(question, default="", show_default=False, err=True)
    return answer
