"""Has a new proposal read and put up for decision here, whether or not an `operator run` is alive that would do it."""

import os
from contextlib import suppress

from actions.errors import NotReadyError, TargetUnavailableError
from actions.lifecycle import TERMINAL
from actions.models import ActionProposal, ActionStatus
from actions.policy import missing
from actions.ports import Dossier
from bot.cli.action_text import print_plan
from bot.cli.caller import caller
from bot.cli.look import dossier_of
from bot.cli.output import literal, note, say
from bot.wiring import Parts


async def put_up(parts: Parts, proposal_id: int) -> Dossier:
    """Validate a proposal if it still has to be, and return it as it then stands."""
    dossier = await dossier_of(parts.store, proposal_id)
    if dossier.proposal.status is not ActionStatus.PROPOSED:
        return dossier
    try:
        with suppress(NotReadyError):  # `operator run` was quicker
            await parts.executor.validate_proposal(proposal_id)
    except TargetUnavailableError as error:
        note(f"{error}. Action {proposal_id} stays proposed; `operator run` tries again every second")
    return await dossier_of(parts.store, proposal_id)


def tell_how_to_decide(parts: Parts, dossier: Dossier) -> None:
    """Print what a new proposal would do, and who has to decide what."""
    proposal = dossier.proposal
    print_plan(dossier, parts.clock.now())
    say()
    match proposal.status:
        case ActionStatus.VALIDATED:
            say(_who_approves(parts, dossier))
        case ActionStatus.PROPOSED:
            say(f"It can be approved once its target was read. See: operator actions show {proposal.id}")
        case _:
            say(f"There is nothing to approve. See: operator actions show {proposal.id}")


def exit_code(proposal: ActionProposal) -> int:
    """Return 0 if it can be decided or is under way, 3 if its target could not be read yet, and 1 if it ended."""
    if proposal.status is ActionStatus.PROPOSED:
        return 3
    return 1 if proposal.status in TERMINAL - {ActionStatus.COMPLETED} else 0


def _who_approves(parts: Parts, dossier: Dossier) -> str:
    proposal, policy = dossier.proposal, parts.policy
    quorum = policy.quorum(subject=proposal.subject, action_name=proposal.action_name, risk=proposal.risk)
    lacking = missing(proposal, quorum, dossier.approvals)
    needs = f"It needs {lacking.in_words()}"
    how = f"operator actions approve {proposal.id}"
    if policy.person(proposal.proposed_by) != policy.person(str(caller(os.environ).actor)):
        return f"{needs}: {how}"
    can = policy.awaited(proposal, lacking, {approval.person for approval in dossier.approvals})
    others = [*(literal(one.name) for one in can.people), *(f"everyone in {literal(one.name)}" for one in can.groups)]
    return f"{needs}; it is your proposal, so not by you ({', '.join(others) or 'nobody else may'}): {how}"
