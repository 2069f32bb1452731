"""The modal in which the target's numbers are read anew, beside those on the card."""

from collections.abc import Sequence
from typing import Final

from actions.models import ActionProposal, Fact
from actions.readings import Reading
from bot.views import blocks, sections
from bot.views.blocks import Block, View
from bot.views.plain import cut, line
from bot.views.times import moment

_MOST_NUMBERS: Final = 40
_TEXT: Final = 300
_LABEL: Final = 80


def reading_modal(proposal: ActionProposal) -> View:
    """Draw what is shown while the target is read."""
    return _modal(proposal, [blocks.section(blocks.text("Reading the target … this takes at most 10 s."))])


def preview_modal(proposal: ActionProposal, reading: Reading) -> View:
    """Draw what was read: whether it may be done now, what has changed, and every number, `card → now` where new."""
    numbers = _numbers(proposal.impact, reading.preview.impact)
    return _modal(
        proposal,
        [
            sections.labelled("Read", blocks.text(f"at {moment(reading.read_at)}")),
            _verdict(reading),
            sections.labelled("Computed impact", *([] if numbers else [blocks.text("none was computed")])),
            *([blocks.bullets(numbers)] if numbers else []),
        ],
    )


def _modal(proposal: ActionProposal, parts: list[Block]) -> View:
    return {
        "type": "modal",
        "title": blocks.plain(cut(f"Preview of {proposal.id}", 24)),
        "close": blocks.plain("Close"),
        "blocks": [blocks.rich_text(*sections.named(proposal), *parts)],
    }


def _verdict(reading: Reading) -> Block:
    if reading.preview.refusal:
        why = line(reading.preview.refusal.rstrip("."), _TEXT)
        return sections.labelled(
            "It must not be done now", blocks.text(f"{why}. It cannot be approved until that is over.")
        )
    if reading.drift:
        meaning = "Approving it now cancels it and proposes it anew, with these numbers."
        return sections.labelled(
            "Changed since it was proposed", blocks.text(f"{line(reading.drift, _TEXT)}. {meaning}")
        )
    return blocks.section(blocks.text("Nothing that the decision rests on has changed since it was proposed."))


def _numbers(shown: Sequence[Fact], read: Sequence[Fact]) -> list[list[Block]]:
    on_card = {fact.label: fact.value for fact in shown}
    now_there = {fact.label: fact.value for fact in read}
    labels = list(dict.fromkeys([*now_there, *on_card]))
    told = [_number(label, on_card.get(label), now_there.get(label)) for label in labels[:_MOST_NUMBERS]]
    more = len(labels) - len(told)
    return [*told, *([[blocks.text(f"and {more} more")]] if more > 0 else [])]


def _number(label: str, on_card: str | None, now_there: str | None) -> list[Block]:
    changed = on_card != now_there
    value = f"{_value(on_card)} → {_value(now_there)}" if changed else _value(now_there)
    return [blocks.text(f"{line(label, _LABEL)}: "), blocks.text(value, bold=changed)]


def _value(value: str | None) -> str:
    return "(none)" if value is None else line(value, _TEXT)
