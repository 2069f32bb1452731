"""`operator demo`. Imports what it does when it runs, so that help stays quick."""

from typing import Annotated

import typer

from bot.cli.guide import guide
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    help=guide(
        "Break and repair a real etcd cluster on this machine, in your browser, without a Slack account. Leaves "
        "nothing behind.",
        "operator demo",
        "operator demo --headless --fault fill-quota",
        exits="0 done · 1 something did not work as it should · 2 usage · 3 something could not be started · "
        "130 interrupted",
    )
)
def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Play every part itself and report, without a browser.")
    ] = False,
    fault: Annotated[
        str | None,
        typer.Option(help="With --headless: kill-member, hang-member, fill-quota, kill-leader or all."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="The port of the page; a free one if left out.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=1_000, help="How often, with --headless.")] = 1,
) -> None:
    """Break and repair a real etcd cluster."""
    from bot.demo.run import run_demo as work  # noqa: PLC0415 - imported when it runs

    finish(work(headless=headless, fault=fault, port=port, rounds=rounds))
