"""`operator subjects …`. Each command imports what it does when it runs, so that help stays quick."""

from typing import Annotated

import typer

from bot.cli.guide import guide
from bot.cli.options import AsJson
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback(
    help=guide(
        "See the configured systems, and look at one now.",
        "operator subjects list",
        "operator subjects observe etcd",
        exits="see each command: operator subjects observe --help",
    )
)
def group() -> None:
    """Hold the group together."""


@app.command(
    "list",
    help=guide(
        "Show every configured system and the actions that it offers.",
        "operator subjects list",
        exits="0 done · 2 usage or configuration · 3 cannot reach the database",
    ),
)
def list_subjects(as_json: AsJson = False) -> None:
    """Show every configured system."""
    from bot.cli.systems import list_subjects as work  # noqa: PLC0415 - imported when it runs

    finish(work(as_json=as_json))


@app.command(
    help=guide(
        "Look at one system now. Changes nothing.",
        "operator subjects observe etcd",
        "operator subjects observe etcd --json",
        exits="0 done · 1 there is no such subject · 2 usage or configuration · 3 cannot reach it",
    )
)
def observe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A subject's name.")], as_json: AsJson = False
) -> None:
    """Look at one system now."""
    from bot.cli.systems import observe as work  # noqa: PLC0415 - imported when it runs

    finish(work(name, as_json=as_json))
