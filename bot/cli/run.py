"""`operator run`. Imports what it does when it runs, so that help stays quick."""

from typing import Annotated

import typer

from bot.cli.guide import guide
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    help=guide(
        "Run the bot until it is stopped with Ctrl-C or SIGTERM: watch the systems, talk to Slack, run what is "
        "approved. It starts in the mode that is stored; that is observe until somebody switches.",
        "operator run",
        "operator run --host 0.0.0.0 --port 8080",
        exits="0 it was stopped · 2 usage or configuration: every missing setting is named · 3 cannot reach Slack or "
        "the database",
    )
)
def run(
    host: Annotated[str | None, typer.Option(help="Where to listen, instead of [http] host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Instead of [http] port; 0 takes a free one.")
    ] = None,
) -> None:
    """Run the bot."""
    from bot.cli.service import run as work  # noqa: PLC0415 - imported when it runs

    finish(work(host=host, port=port))
