"""`operator audit …`. Each command imports what it does when it runs, so that help stays quick."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.guide import guide
from bot.cli.options import AsJson
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback(
    help=guide(
        "Read the audit log, and check that nobody changed it.",
        "operator audit list --since 24h",
        "operator audit verify",
        exits="see each command: operator audit verify --help",
    )
)
def group() -> None:
    """Hold the group together."""


@app.command(
    "list",
    help=guide(
        "Show what was done, by whom, the newest first.",
        "operator audit list",
        "operator audit list --proposal 12",
        "operator audit list --since 24h",
        "operator audit list --since 2026-03-01 --until 2026-03-02T06:00 --json",
        exits="0 done · 2 usage or configuration · 3 cannot reach the database",
    ),
)
def list_events(
    proposal: Annotated[int | None, typer.Option(min=1, help="Only lines about this action.")] = None,
    since: Annotated[
        str | None, typer.Option(help="From this time (UTC) on, or so long ago: 2026-03-01T06:00, 24h.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before this time (UTC), or so long ago.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, counted from the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what was done."""
    from bot.cli.audit_log import list_events as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id=proposal, since=since, until=until, limit=limit, as_json=as_json))


@app.command(
    help=guide(
        "Check the whole audit log: its chain of hashes, the lifecycle of every action, the database's rows, and the "
        "checkpoints that a witness keeps. Without --against, this host's own witness file is used.",
        "operator audit verify",
        "operator audit verify --against /mnt/elsewhere/witness.log",
        "operator audit verify --against channel-export.txt --json",
        exits="0 nothing was changed, as far as the witness tells · 1 something is wrong: every finding is printed · "
        "2 usage or configuration · 3 the log or the witness cannot be read",
    )
)
def verify(
    against: Annotated[
        Path | None,
        typer.Option(
            help="A witness file, or any text in which checkpoint lines stand, such as an export of the channel."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole audit log."""
    from bot.cli.audit_log import verify as work  # noqa: PLC0415 - imported when it runs

    finish(work(against=against, as_json=as_json))


@app.command(
    help=guide(
        "Print the whole audit log, oldest first, one JSON document on each line.",
        "operator audit export > audit.jsonl",
        exits="0 done · 2 usage or configuration · 3 cannot reach the database",
    )
)
def export() -> None:
    """Print the whole audit log."""
    from bot.cli.audit_log import export as work  # noqa: PLC0415 - imported when it runs

    finish(work())
