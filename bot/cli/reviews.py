"""`operator reviews …`. Each command imports what it does when it runs, so that help stays quick."""

from typing import Annotated

import typer

from bot.cli.guide import guide
from bot.cli.options import AsJson, ProposalId
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback(
    help=guide(
        "See and close the reviews that breaking the glass leaves open.",
        "operator reviews list",
        'operator reviews close 12 --comment "it was right; the runbook now says so"',
        exits="see each command: operator reviews close --help",
    )
)
def group() -> None:
    """Hold the group together."""


@app.command(
    "list",
    help=guide(
        "Show what was run by breaking the glass and nobody has looked at yet, oldest first.",
        "operator reviews list",
        "operator reviews list --json",
        exits="0 done · 2 usage or configuration · 3 cannot reach the database",
    ),
)
def list_reviews(as_json: AsJson = False) -> None:
    """Show what is still to be looked at."""
    from bot.cli.review import list_reviews as work  # noqa: PLC0415 - imported when it runs

    finish(work(as_json=as_json))


@app.command(
    help=guide(
        "Close a review, with what you found. Whoever broke the glass cannot, neither here nor in Slack.",
        'operator reviews close 12 --comment "it was right; the runbook now says so"',
        exits="0 done · 1 refused: nothing was changed · 2 usage or configuration · 3 cannot reach",
    )
)
def close(
    proposal_id: ProposalId,
    comment: Annotated[str, typer.Option("--comment", help="What you looked at, and whether it was right.")],
    as_json: AsJson = False,
) -> None:
    """Close a review, with what was found."""
    from bot.cli.review import close as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, comment=comment, as_json=as_json))
