"""Options and arguments that several commands share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ProposalId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The action's number.")]
Words = Annotated[list[str] | None, typer.Argument(metavar="[REASON]...", help="Why; for those who read it later.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; for those who read it later.")]
Scope = Annotated[str | None, typer.Option("--subject", help="Only this subject, not everything.")]


def reason_of(words: list[str] | None, reason: str) -> str:
    """Return the reason, however it was given."""
    return " ".join([*(words or ()), *([reason] if reason else [])])
