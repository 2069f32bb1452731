"""`operator propose`. Imports what it does when it runs, so that help stays quick."""

from typing import Annotated

import typer

from bot.cli.guide import guide
from bot.cli.options import AsJson
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    help=guide(
        "Hand in a diagnosis and propose what it recommends. The file holds a DiagnosisOutput as JSON, or the same "
        "with subject, target and source, as POST /api/v1/diagnoses takes it. Doing it again changes nothing.",
        "operator propose --file diagnosis.json --subject etcd --target cluster",
        "diagnose | operator propose --file - --json",
        exits="0 stored, and what could be proposed is proposed · 1 refused, or stored without any of its actions "
        "(every reason is printed) · 2 usage or configuration · 3 cannot reach",
    )
)
def propose(
    file: Annotated[str, typer.Option("--file", "-f", help="The file; - reads from standard input.")],
    subject: Annotated[str | None, typer.Option(help="The system, if the file does not name it.")] = None,
    target: Annotated[str | None, typer.Option(help="The part of it, if the file does not name it.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Who diagnosed, if the file does not name it; you, if left out.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Makes repetition harmless; the content itself, if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Hand in a diagnosis."""
    from bot.cli.hand_in import content_of  # noqa: PLC0415 - imported when it runs
    from bot.cli.hand_in import propose as work  # noqa: PLC0415 - imported when it runs

    finish(work(content_of(file), subject=subject, target=target, source=source, key=key, as_json=as_json))
