"""`operator digest …`. Each command imports what it does when it runs, so that help stays quick."""

from typing import Annotated

import typer

from bot.cli.guide import guide
from bot.cli.options import AsJson
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of [[digests]]; the first one if left out.")]


@app.callback(
    help=guide(
        "See or send the summary of what is open and what was done.",
        "operator digest preview",
        "operator digest send morning",
        exits="see each command: operator digest send --help",
    )
)
def group() -> None:
    """Hold the group together."""


@app.command(
    help=guide(
        "Show what a digest would say now. Changes nothing.",
        "operator digest preview",
        "operator digest preview morning --json",
        exits="0 done · 1 there is no such digest · 2 usage or configuration · 3 cannot reach the database",
    )
)
def preview(name: Name = None, as_json: AsJson = False) -> None:
    """Show what a digest would say now."""
    from bot.cli.summary import preview as work  # noqa: PLC0415 - imported when it runs

    finish(work(name, as_json=as_json))


@app.command(
    help=guide(
        "Send a digest now, out of turn. `operator run` posts it, at once or when it is up again.",
        "operator digest send",
        exits="0 it waits to be posted · 1 there is no such digest · 2 usage or configuration · "
        "3 cannot reach the database",
    )
)
def send(name: Name = None) -> None:
    """Send a digest now."""
    from bot.cli.summary import send as work  # noqa: PLC0415 - imported when it runs

    finish(work(name))
