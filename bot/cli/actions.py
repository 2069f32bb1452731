"""`operator actions …`. Each command imports what it does when it runs, so that help stays quick."""

from typing import Annotated

import typer

from bot.cli.guide import guide
from bot.cli.options import AsJson, ProposalId, Reason, Scope, Words, reason_of
from bot.cli.running import done, finish

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

_REFUSED = "0 done · 1 refused: nothing was changed · 2 usage or configuration · 3 cannot reach"


@app.callback(
    help=guide(
        "See, approve and cancel actions; stop everything; switch the mode.",
        "operator actions list",
        "operator actions approve 12",
        "operator actions kill-switch",
        exits="see each command: operator actions approve --help",
    )
)
def group() -> None:
    """Hold the group together."""


@app.command(
    "list",
    help=guide(
        "Show the newest actions.",
        "operator actions list",
        "operator actions list --status validated --subject etcd",
        "operator actions list --before 120 --json",
        exits="0 done · 2 usage or configuration · 3 cannot reach the database",
    ),
)
def list_actions(
    status: Annotated[
        list[str] | None, typer.Option(help="Only this status, such as validated; may be given several times.")
    ] = None,
    subject: Scope = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 50,
    before: Annotated[int | None, typer.Option(min=1, help="Only older ones than this number.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest actions."""
    from bot.cli.look import list_actions as work  # noqa: PLC0415 - imported when it runs

    finish(work(statuses=status or [], subject=subject, limit=limit, before=before, as_json=as_json))


@app.command(
    help=guide(
        "Show everything about one action. What it would do, who decided, what came of it.",
        "operator actions show 12",
        "operator actions show 12 --json",
        exits="0 done · 1 there is no such action · 2 usage or configuration · 3 cannot reach the database",
    )
)
def show(proposal_id: ProposalId, as_json: AsJson = False) -> None:
    """Show everything about one action."""
    from bot.cli.look import show as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, as_json=as_json))


@app.command(
    help=guide(
        "Approve an action and see what comes of it. Shows it first; from medium risk up it asks, on a terminal; "
        "--json does neither. If no `operator run` is alive, this command runs the action itself; else it waits for "
        "it, at most a minute.",
        "operator actions approve 12",
        "operator actions approve 12 --yes --json",
        exits="0 it completed, or your approval counts and more people are needed · 1 refused, failed, cancelled or "
        "expired · 2 usage or configuration · 3 cannot reach, or the outcome is not known yet",
    )
)
def approve(
    proposal_id: ProposalId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Approve an action and see what comes of it."""
    from bot.cli.approve import agreed  # noqa: PLC0415 - imported when it runs
    from bot.cli.approve import approve as work  # noqa: PLC0415 - imported when it runs

    if not as_json and not agreed(proposal_id, ask=not yes):
        raise typer.Exit(1)
    finish(work(proposal_id, as_json=as_json))


@app.command(
    help=guide(
        "Cancel an action that has not begun. Possible in every mode.",
        "operator actions cancel 12 the member is back by itself",
        exits=_REFUSED,
    )
)
def cancel(proposal_id: ProposalId, words: Words = None, reason: Reason = "", as_json: AsJson = False) -> None:
    """Cancel an action that has not begun."""
    from bot.cli.decide import cancel as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, reason=reason_of(words, reason), as_json=as_json))


@app.command(
    help=guide(
        "Send no reminders of an action for a while. The warning before it expires still comes.",
        "operator actions snooze 12 --for 15min",
        exits=_REFUSED,
    )
)
def snooze(
    proposal_id: ProposalId,
    lasting: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 15min, 1h, or seconds.")],
    as_json: AsJson = False,
) -> None:
    """Send no reminders of an action for a while."""
    from bot.cli.decide import snooze as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, lasting=lasting, as_json=as_json))


@app.command(
    help=guide(
        "Settle an unknown outcome. Look at the system yourself first; your word stands in the audit log.",
        'operator actions resolve 12 --happened --reason "etcdctl shows the alarm is gone"',
        'operator actions resolve 12 --did-not-happen --reason "the member list is unchanged"',
        exits=_REFUSED,
    )
)
def resolve(
    proposal_id: ProposalId,
    happened: Annotated[bool, typer.Option("--happened/--did-not-happen", help="What you saw.")],
    reason: Annotated[str, typer.Option("--reason", help="How you know.")],
    as_json: AsJson = False,
) -> None:
    """Say what became of an action whose outcome is unknown."""
    from bot.cli.decide import resolve as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, happened=happened, reason=reason, as_json=as_json))


@app.command(
    "kill-switch",
    help=guide(
        "Stop everything, or one subject, now. The mode becomes observe, everything that waits is cancelled, and what "
        "may still take effect is listed. Without a reason it stops first and, on a terminal, asks then. Works without "
        "Slack, and without a usable configuration or database (exit code 4).",
        "operator actions kill-switch",
        'operator actions kill-switch "wrong cluster"',
        "operator actions kill-switch --subject etcd",
        exits="0 stopped everywhere · 1 refused · 2 wrong usage · 3 nothing could be stopped · 4 kill file only: "
        "nothing new begins on this host, but other hosts go on, and nothing is listed",
    ),
)
def throw_kill_switch(words: Words = None, reason: Reason = "", subject: Scope = None, as_json: AsJson = False) -> None:
    """Stop everything, or one subject, now."""
    from bot.cli.stop import explain, kill_switch, wants_a_reason  # noqa: PLC0415 - imported when it runs

    outcome = done(kill_switch(reason=reason_of(words, reason), subject=subject, as_json=as_json))
    if not as_json and wants_a_reason(outcome):
        explain(outcome)
    raise typer.Exit(outcome.code)


@app.command(
    help=guide(
        "Show the mode, or switch it. observe: nothing is changed by anybody. execute: what people approve is run; it "
        "needs a reason and, where [limits] lift_people says so, several people who ask for it within 10 minutes.",
        "operator actions mode",
        "operator actions mode observe",
        'operator actions mode execute "on-call is watching"',
        'operator actions mode execute --subject etcd "the disk is replaced"',
        exits=_REFUSED,
    )
)
def mode(
    wanted: Annotated[str | None, typer.Argument(metavar="[observe|execute]", help="The mode to switch to.")] = None,
    words: Words = None,
    reason: Reason = "",
    subject: Scope = None,
    as_json: AsJson = False,
) -> None:
    """Show the mode, or switch it."""
    from bot.cli.stop import mode as work  # noqa: PLC0415 - imported when it runs

    finish(work(wanted, reason=reason_of(words, reason), subject=subject, as_json=as_json))
