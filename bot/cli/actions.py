"""`operator actions …`. Each command imports what it does when it runs, so that help stays quick."""

from typing import Annotated, Final

import typer

from bot.cli.guide import guide
from bot.cli.options import AsJson, ProposalId, Reason, Scope, Words, reason_of
from bot.cli.running import done, finish

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

_REFUSED: Final = "0 done · 1 refused: nothing was changed · 2 usage or configuration · 3 cannot reach"
_FOLLOWED: Final = (
    "0 proposed, and can be decided · 1 refused: nothing was changed; or it must not be done now · 2 usage or "
    "configuration · 3 cannot reach; what was proposed stays so until its target answers"
)
_RUN: Final = (
    "1 refused, failed, cancelled or expired · 2 usage or configuration · 3 cannot reach, or the outcome is not known "
    "yet"
)
_Code = Annotated[
    str | None,
    typer.Option("--code", help="What was wrong: wrong_target, wrong_cause, too_risky, already_done or other."),
]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A parameter and its value; may be given several times. A list is a,b or JSON.",
    ),
]
_Confirm = Annotated[
    str | None,
    typer.Option("--confirm", metavar="TARGET", help="The name of the target, where nobody can be asked to type it."),
]


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
        "Read the target anew. Shows its numbers beside those of the card, what has changed, and whether it may be "
        "done now.",
        "operator actions preview 12",
        "operator actions preview 12 --json",
        exits="0 it is as it was · 1 it has changed, or must not be done now, or there is nothing to decide · 2 usage "
        "or configuration · 3 cannot reach the target or the database",
    )
)
def preview(proposal_id: ProposalId, as_json: AsJson = False) -> None:
    """Read the target anew."""
    from bot.cli.preview import preview as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, as_json=as_json))


@app.command(
    help=guide(
        "Approve an action and see what comes of it. Shows it first; at medium risk it asks, on a terminal. At high "
        "risk (where [approval.high] cli allows it) you type the name of the target, or give it with --confirm; then "
        "everybody has some seconds to abort it, you with Ctrl-C. If no `operator run` is alive, this command runs the "
        "action itself; else it waits for it, at most a minute. What may only start later is not waited for.",
        "operator actions approve 12",
        "operator actions approve 12 --yes --json",
        "operator actions approve 12 --confirm etcd-1",
        exits=f"0 it completed, or starts later, or your approval counts and more people are needed · {_RUN}",
    )
)
def approve(
    proposal_id: ProposalId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    confirm: _Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Approve an action and see what comes of it."""
    from bot.cli.approve import agreed  # noqa: PLC0415 - imported when it runs
    from bot.cli.approve import approve as work  # noqa: PLC0415 - imported when it runs

    if not agreed(proposal_id, yes=yes, confirm=confirm, as_json=as_json):
        raise typer.Exit(1)
    finish(work(proposal_id, as_json=as_json))


@app.command(
    "break-glass",
    help=guide(
        "Run an action now, on your word alone. No second person, no freeze and no maintenance window is waited for; "
        "everybody is told who did it and why, and a review stays open until somebody else closes it. You type the "
        "name of the target, or give it with --confirm. The kill switch and observe mode still hold.",
        'operator actions break-glass 12 --reason "writes stopped, nobody else awake"',
        'operator actions break-glass 12 --reason "writes stopped" --confirm etcd-1 --json',
        exits=f"0 it completed · {_RUN}",
    ),
)
def break_glass(
    proposal_id: ProposalId,
    reason: Annotated[str, typer.Option("--reason", help="Why it cannot wait; everybody in the channel reads it.")],
    confirm: _Confirm = None,
    as_json: AsJson = False,
) -> None:
    """Run an action past everybody else."""
    from bot.cli.approve import break_glass as work  # noqa: PLC0415 - imported when it runs
    from bot.cli.approve import glass_is_to_be_broken  # noqa: PLC0415 - imported when it runs

    if not glass_is_to_be_broken(proposal_id, confirm=confirm, as_json=as_json):
        raise typer.Exit(1)
    finish(work(proposal_id, reason=reason, as_json=as_json))


@app.command(
    help=guide(
        "Stop an action of high risk in its last seconds. Everybody may. Before that: operator actions cancel.",
        "operator actions abort 12",
        exits=_REFUSED,
    )
)
def abort(proposal_id: ProposalId, as_json: AsJson = False) -> None:
    """Stop an action of high risk in its last seconds."""
    from bot.cli.decide import abort as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, as_json=as_json))


@app.command(
    help=guide(
        "Change the parameters of an action that waits. The changed one takes its place, and is your proposal: "
        "somebody else has to approve it.",
        "operator actions edit 12 --set member=etcd-2",
        """operator actions edit 12 --set members='["etcd-1", "etcd-2"]' --set revision=122""",
        exits=_FOLLOWED,
    )
)
def edit(proposal_id: ProposalId, given: _Set = None, as_json: AsJson = False) -> None:
    """Change the parameters of an action that waits."""
    from bot.cli.follow import edit as work  # noqa: PLC0415 - imported when it runs

    if not given:
        raise typer.BadParameter("say what to change: --set name=value", param_hint="--set")
    finish(work(proposal_id, given=given, as_json=as_json))


@app.command(
    help=guide(
        "Propose again what failed without any effect. With other parameters it is your proposal, and somebody else "
        "has to approve it.",
        "operator actions retry 12",
        "operator actions retry 12 --set revision=130",
        exits=_FOLLOWED,
    )
)
def retry(proposal_id: ProposalId, given: _Set = None, as_json: AsJson = False) -> None:
    """Propose again what failed without any effect."""
    from bot.cli.follow import retry as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, given=given or (), as_json=as_json))


@app.command(
    help=guide(
        "Propose what takes a completed action back. It is approved like any other; possible for an hour.",
        "operator actions undo 12",
        exits=_FOLLOWED,
    )
)
def undo(proposal_id: ProposalId, as_json: AsJson = False) -> None:
    """Propose what takes a completed action back."""
    from bot.cli.follow import undo as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, as_json=as_json))


@app.command(
    help=guide(
        "Cancel an action that has not begun. Possible in every mode. Say what was wrong with it, and the next "
        "diagnosis of the same fault says so.",
        "operator actions cancel 12 the member is back by itself",
        "operator actions cancel 12 --code wrong_cause the disk is full, not the network",
        exits=_REFUSED,
    )
)
def cancel(
    proposal_id: ProposalId,
    words: Words = None,
    reason: Reason = "",
    code: _Code = None,
    as_json: AsJson = False,
) -> None:
    """Cancel an action that has not begun."""
    from bot.cli.decide import cancel as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, reason=reason_of(words, reason), code=code, as_json=as_json))


@app.command(
    help=guide(
        "Say afterwards why an action was cancelled. The next diagnosis of the same fault says so.",
        'operator actions explain 12 --code wrong_cause --reason "the disk is full, not the network"',
        exits=_REFUSED,
    )
)
def explain(
    proposal_id: ProposalId, words: Words = None, reason: Reason = "", code: _Code = None, as_json: AsJson = False
) -> None:
    """Say afterwards why an action was cancelled."""
    from bot.cli.decide import explain as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, reason=reason_of(words, reason), code=code, as_json=as_json))


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
        'operator actions resolve 12 --did-not-happen --reason "the member list is unchanged" --evidence "etcdctl …"',
        exits=_REFUSED,
    )
)
def resolve(
    proposal_id: ProposalId,
    happened: Annotated[bool, typer.Option("--happened/--did-not-happen", help="What you saw.")],
    reason: Annotated[str, typer.Option("--reason", help="How you know.")],
    evidence: Annotated[str, typer.Option("--evidence", help="What you looked at: a command and what it said.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say what became of an action whose outcome is unknown."""
    from bot.cli.decide import resolve as work  # noqa: PLC0415 - imported when it runs

    finish(work(proposal_id, happened=happened, reason=reason, evidence=evidence, as_json=as_json))


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
