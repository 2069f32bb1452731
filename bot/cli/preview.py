"""`operator actions preview`: the target, read anew."""

from collections.abc import Iterator, Mapping

from actions.canonical import Json
from actions.models import ActionProposal
from actions.readings import Reading
from bot.cli.look import dossier_of
from bot.cli.output import clean, literal, print_json, print_table, say
from bot.settings import load
from bot.views.times import moment
from bot.wiring import Parts, opened


async def preview(proposal_id: int, *, as_json: bool) -> int:
    """Read the target anew and print its numbers beside those of the card."""
    async with opened(load()) as parts:
        return await preview_in(parts, proposal_id, as_json=as_json)


async def preview_in(parts: Parts, proposal_id: int, *, as_json: bool) -> int:
    """Read the target anew among these parts, and print its numbers beside those of the card."""
    reading = await parts.executor.preview_proposal(proposal_id)
    proposal = (await dossier_of(parts.store, proposal_id)).proposal
    if as_json:
        print_json(_json(proposal, reading))
    else:
        _tell(proposal, reading)
    return 1 if reading.preview.refusal or reading.drift else 0


def _tell(proposal: ActionProposal, reading: Reading) -> None:
    say(f"Action {proposal.id}: {literal(proposal.action_name)} on {literal(proposal.target_key)}")
    say(f"Read at {moment(reading.read_at)}")
    say()
    rows = [tuple(map(clean, (label, card or "-", now or "-"))) for label, card, now in _beside(proposal, reading)]
    if rows:
        print_table(("IMPACT", "ON THE CARD", "NOW"), rows)
        say()
    for row in _verdict(proposal, reading):
        say(row)


def _verdict(proposal: ActionProposal, reading: Reading) -> Iterator[str]:
    if reading.preview.refusal:
        yield f"It must not be done now: {clean(reading.preview.refusal)}"
        yield "It cannot be approved until that is over."
    elif reading.drift:
        yield f"Changed since it was put up for decision: {clean(reading.drift)}"
        yield "If it is approved now, nothing runs: it is proposed anew, as things are then."
    else:
        yield f"Nothing that the decision rests on has changed: operator actions approve {proposal.id}"


def _beside(proposal: ActionProposal, reading: Reading) -> Iterator[tuple[str, str | None, str | None]]:
    card = {fact.label: fact.value for fact in proposal.impact}
    now = {fact.label: fact.value for fact in reading.preview.impact}
    for label in dict.fromkeys([*now, *card]):
        yield label, card.get(label), now.get(label)


def _json(proposal: ActionProposal, reading: Reading) -> Mapping[str, Json]:
    return {
        "id": proposal.id,
        "read_at": reading.read_at.isoformat(),
        "impact": [{"label": label, "card": card, "now": now} for label, card, now in _beside(proposal, reading)],
        "refusal": reading.preview.refusal,
        "drift": reading.drift or None,
    }
