"""`operator policy …`. Each command imports what it does when it runs, so that help stays quick."""

from typing import Annotated

import typer

from bot.cli.guide import guide
from bot.cli.options import AsJson
from bot.cli.running import finish

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback(
    help=guide(
        "See whether the rules of who may do what make sense, and what they say of one person.",
        "operator policy check",
        "operator policy check 12 --person ann",
        exits="see each command: operator policy check --help",
    )
)
def group() -> None:
    """Hold the group together."""


@app.command(
    help=guide(
        "Look for rules that cannot be right: decisions that nobody can take, clauses that fit nothing, maintenance "
        "windows that never open. With --person, say what that person may do and by which rule, and when it could run; "
        "with the number of an action also what it still needs, and what else is in the way. Changes nothing. "
        "Who is in a Slack user group is known where SLACK_BOT_TOKEN is set.",
        "operator policy check",
        "operator policy check 12 --person ann",
        "operator policy check --person slack:T0123/U0456 --verb set_mode --subject etcd",
        "operator policy check --person cli:ann@db-1 --verb approve --risk high",
        "operator policy check --person ann --action etcd.defragment --in-group dba --json",
        exits="0 nothing is wrong, or it is allowed · 1 something is wrong, or it is refused · 2 usage or "
        "configuration · 3 cannot reach the database or Slack",
    )
)
def check(
    proposal_id: Annotated[int | None, typer.Argument(metavar="[ID]", min=1, help="An action's number.")] = None,
    person: Annotated[
        str | None, typer.Option(help="A name from [people], or an identity: slack:T…/U…, cli:login@host.")
    ] = None,
    verb: Annotated[
        str,
        typer.Option(
            help="What they want to do: approve, cancel, kill, set_mode, resolve, propose, edit, break_glass …"
        ),
    ] = "approve",
    subject: Annotated[str | None, typer.Option(help="To which subject; all of them if left out.")] = None,
    action: Annotated[str | None, typer.Option(help="With which action; all that are offered if left out.")] = None,
    risk: Annotated[str | None, typer.Option(help="Only actions of this risk: low, medium or high.")] = None,
    in_group: Annotated[
        list[str] | None, typer.Option(help="Suppose that they are in this group's Slack user group, and no other.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Lint the policy, or explain one decision."""
    from bot.cli.policy_check import Question, check_everything, explain  # noqa: PLC0415 - imported when it runs

    if person is None:
        given = {"ID": proposal_id, "--subject": subject, "--action": action, "--risk": risk, "--in-group": in_group}
        if extra := ", ".join(name for name, value in given.items() if value):
            raise typer.BadParameter(f"{extra} only with --person: whose right is in question?")
        finish(check_everything(as_json=as_json))
    question = Question.asked(
        person=person,
        verb=verb,
        proposal_id=proposal_id,
        subject=subject,
        action=action,
        risk=risk,
        supposed=in_group or (),
    )
    finish(explain(question, as_json=as_json))
