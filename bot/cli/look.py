"""`operator actions list` and `show`: reading alone."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import typer

from actions.decisions import still_missing
from actions.errors import UnknownProposalError
from actions.models import ActionProposal, ActionStatus
from actions.policy import Missing
from actions.ports import Dossier, Policy, Reader, Store
from bot.action_json import action_json, stored_actions
from bot.cli.action_text import print_action
from bot.cli.output import clean, literal, note, print_json, print_table
from bot.reach import build_policy, reading
from bot.settings import load
from bot.system import SystemClock
from bot.views.times import duration

_HEADINGS: Final = ("ID", "STATUS", "PROPOSED", "AGE", "RISK", "ACTION", "TARGET", "DETAIL")


async def list_actions(
    *, statuses: Sequence[str], subject: str | None, limit: int, before: int | None, as_json: bool
) -> int:
    """Print the newest actions."""
    wanted = [_status(word) for given in statuses for word in given.split(",")]
    settings = load()

    def page(reader: Reader) -> list[ActionProposal]:
        return reader.proposals(statuses=wanted, subject=subject, before_id=before, limit=limit)

    async with reading(settings) as store:
        if as_json:
            policy = build_policy(settings)
            print_json(await store.read(lambda reader: stored_actions(reader, policy, page(reader))))
            return 0
        found = await store.read(page)
    _print_list(found, SystemClock().now(), limit)
    return 0


async def show(proposal_id: int, *, as_json: bool) -> int:
    """Print everything about one action."""
    settings = load()
    async with reading(settings) as store:
        dossier, lacking = await standing_of(store, build_policy(settings), proposal_id)
    if as_json:
        print_json(action_json(dossier, lacking))
    else:
        print_action(dossier, lacking, SystemClock().now())
    return 0


async def dossier_of(store: Store, proposal_id: int) -> Dossier:
    """Return everything about one action, or raise `UnknownProposalError`."""
    dossier = await store.read(lambda reader: reader.dossier(proposal_id))
    if dossier is None:
        raise UnknownProposalError(proposal_id)
    return dossier


async def standing_of(store: Store, policy: Policy, proposal_id: int) -> tuple[Dossier, Missing]:
    """Return everything about one action and what it still needs of people, or raise `UnknownProposalError`."""

    def read(reader: Reader) -> tuple[Dossier, Missing] | None:
        dossier = reader.dossier(proposal_id)
        return None if dossier is None else (dossier, still_missing(reader, policy, dossier.proposal))

    found = await store.read(read)
    if found is None:
        raise UnknownProposalError(proposal_id)
    return found


async def print_as_json(store: Store, policy: Policy, proposal_id: int) -> None:
    """Print an action as it stands, as JSON."""
    print_json(action_json(*await standing_of(store, policy, proposal_id)))


def _status(word: str) -> ActionStatus:
    try:
        return ActionStatus(word.strip().lower())
    except ValueError:
        known = ", ".join(status.value for status in ActionStatus)
        raise typer.BadParameter(f"there is no status {word!r}; there are: {known}") from None


def _print_list(found: Sequence[ActionProposal], now: datetime, limit: int) -> None:
    if not found:
        note("nothing found")
        return
    print_table(_HEADINGS, [_row(proposal, now) for proposal in found])
    if len(found) == limit:
        note(f"older ones: operator actions list --before {found[-1].id}")


def _row(proposal: ActionProposal, now: datetime) -> tuple[str, ...]:
    return (
        str(proposal.id),
        _state(proposal),
        f"{proposal.proposed_at:%Y-%m-%d %H:%M:%S}Z",
        duration((now - proposal.proposed_at).total_seconds()),
        proposal.risk.value,
        literal(proposal.action_name),
        literal(proposal.target),
        "; ".join((*_marks(proposal), clean(proposal.detail or proposal.reason))),
    )


def _state(proposal: ActionProposal) -> str:
    extra = proposal.outcome or proposal.reason_code
    return f"{proposal.status.value} ({extra.value})" if extra else proposal.status.value


def _marks(proposal: ActionProposal) -> Iterator[str]:
    if proposal.break_glass:
        yield "break-glass"
    if proposal.not_before is not None and proposal.status is ActionStatus.APPROVED:
        yield f"runs at {proposal.not_before:%Y-%m-%d %H:%M:%S}Z"
    if proposal.retry_of is not None:
        yield f"repeats {proposal.retry_of}"
    if proposal.undo_of is not None:
        yield f"undoes {proposal.undo_of}"
    if proposal.supersedes is not None:
        yield f"replaces {proposal.supersedes}"
