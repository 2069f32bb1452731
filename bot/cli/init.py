"""`operator init`. Imports what it does when it runs, so that help stays quick."""

import typer

from bot.cli.guide import guide
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    help=guide(
        "Make operator.toml in this directory, with comments, the state directory, and the database. Overwrites "
        "nothing. Then says how to connect Slack.",
        "operator init",
        exits="0 done · 1 there is an operator.toml already · 2 usage · 3 the database cannot be made",
    )
)
def init() -> None:
    """Make a configuration."""
    from bot.cli.starting import init as work  # noqa: PLC0415 - imported when it runs

    finish(work())
