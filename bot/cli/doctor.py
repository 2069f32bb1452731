"""`operator doctor`. Imports what it does when it runs, so that help stays quick."""

import typer

from bot.cli.guide import guide
from bot.cli.options import AsJson
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    help=guide(
        "Check settings, database, Slack and systems; each line says ok, or what to do. Changes nothing.",
        "operator doctor",
        exits="0 all is well · 1 something is to be mended · 2 the settings cannot be used",
    )
)
def doctor(as_json: AsJson = False) -> None:
    """Check everything."""
    from bot.cli.checks import doctor as work  # noqa: PLC0415 - imported when it runs

    finish(work(as_json=as_json))
