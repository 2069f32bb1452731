"""The console script `operator`: finds the command, and turns every error of ours into a sentence and an exit code."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, NoReturn

import typer

from bot.cli.guide import guide
from bot.cli.lazy import LazyGroup, Member


class Root(LazyGroup):
    """Everything that `operator` can do."""

    members: ClassVar[Mapping[str, Member]] = {
        "actions": Member("bot.cli.actions", "See, approve and cancel actions; stop everything; switch the mode."),
        "reviews": Member("bot.cli.reviews", "See and close the reviews that breaking the glass leaves open."),
        "audit": Member("bot.cli.audit", "Read the audit log, and check that nobody changed it."),
        "subjects": Member("bot.cli.subjects", "See the configured systems, and look at one now."),
        "policy": Member("bot.cli.policy", "Check who may do what, and see why somebody may or may not."),
        "propose": Member("bot.cli.propose", "Hand in a diagnosis and propose what it recommends."),
        "digest": Member("bot.cli.digest", "See or send the summary of what is open and what was done."),
        "doctor": Member("bot.cli.doctor", "Check settings, database, Slack and systems; say what to mend."),
        "run": Member("bot.cli.run", "Run the bot until it is stopped."),
        "init": Member("bot.cli.init", "Make operator.toml in this directory, with comments."),
        "demo": Member("bot.cli.demo", "Break and repair a real etcd cluster here, without a Slack account."),
    }


app = typer.Typer(
    cls=Root,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - only who asks for the version waits for it

        typer.echo(f"operator-bot {version('operator-bot')}")
        raise typer.Exit


@app.callback(
    help=guide(
        "Repair production systems when a person approves, exactly once, and write it down. Works without Slack.",
        "operator actions list              what waits, what runs, what was done",
        "operator actions show 12           everything about action 12",
        "operator actions approve 12        run it, once",
        "operator actions kill-switch       stop everything, now",
        exits="0 done · 1 refused · 2 wrong usage or configuration · 3 cannot reach · 4 kill file only",
    )
)
def operator(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take options of the whole program."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a terminal that lacks a letter
    try:
        app(args=list(arguments), prog_name="operator")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - boundary: errors of ours become sentences, bugs go on as they are
        return _told(error)
    return 0


def _told(error: Exception) -> int:
    from actions.errors import OperatorError  # noqa: PLC0415 - not needed where nothing goes wrong, such as for help

    if not isinstance(error, OperatorError):
        raise error
    from bot.cli.output import note  # noqa: PLC0415 - as above

    note(str(error))
    return error.exit_code


def main() -> NoReturn:
    """Be `operator`."""
    sys.exit(run(sys.argv[1:]))
