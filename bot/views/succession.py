"""How proposals follow on one another, as the cards of both say it."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from actions.canonical import Json
from actions.drafts import edit_source
from actions.models import ActionProposal, ActionStatus, ReasonCode
from actions.ports import Dossier
from bot.views import blocks, sections
from bot.views.blocks import Block
from bot.views.card_view import FollowUp, FollowUps
from bot.views.parameters import spelled
from bot.views.people import person
from bot.views.plain import cut, exact
from bot.views.room import Room

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9._:/-]*")
_RESERVED: Final = frozenset({"true", "false", "null", "NaN", "Infinity"})
_NAME: Final = 60


def origin(dossier: Dossier, room: Room) -> list[Block]:
    """What a proposal takes the place of and what differs, what it takes back, and what it tries again."""
    proposal, old = dossier.proposal, dossier.replaces
    takes_back = f"Takes back action {proposal.undo_of}." if proposal.undo_of else ""
    repeats = f"Tries action {proposal.retry_of} again." if proposal.retry_of else ""
    said = [blocks.section(blocks.text(one, bold=True)) for one in (takes_back, repeats) if one]
    return said if old is None else [*said, *_replaces(proposal, old, room)]


def outcome_of(follow_ups: FollowUps) -> list[Block]:
    """What came of a proposal: what replaced it, took it back or tried it again, each with a link to its card."""
    told = (
        ("Replaced by action", follow_ups.replaced_by),
        ("Undo is proposed as action", follow_ups.undo),
        ("It is tried again as action", follow_ups.retry),
    )
    return [_followed(words, one) for words, one in told if one is not None]


def differences(old: Mapping[str, Json], new: Mapping[str, Json], most: int) -> Iterator[str]:
    """Yield `name: old → new` for whatever differs, each value in at most *most* characters.

    Values are spelled so that two that differ never look the same, or it says that they are too long.
    """
    for name in sorted(old.keys() | new.keys()):
        before, after = _value(old, name), _value(new, name)
        if before != after:
            yield f"{exact(name, _NAME)}: {_change(before, after, most)}"


def _followed(words: str, one: FollowUp) -> Block:
    link = [blocks.text(" "), blocks.link(one.link, "Open its card")] if one.link else []
    return blocks.section(blocks.text(f"{words} {one.id}.", bold=True), *link)


def _replaces(proposal: ActionProposal, old: ActionProposal, room: Room) -> list[Block]:
    label = f"Replaces action {old.id}"
    changed = list(differences(old.parameters, proposal.parameters, room.line // 2))
    moved = _moved(proposal, old, room)
    if proposal.source_key == edit_source(old.id):
        return [
            blocks.section(
                blocks.text(f"{label}. ", bold=True),
                person(proposal.proposed_by),
                blocks.text(" changed:", bold=True),
            ),
            *_listed(changed, room),
            *_also(moved, room),
        ]
    if not proposal.pins and old.reason_code is ReasonCode.STALE:
        # Its target is still to be read.
        return [sections.labelled(label, sections.prose(old.detail, room))]
    if not changed and not moved:
        return [sections.labelled(label, blocks.text("the parameters are the same, and what was read of the target"))]
    return [sections.labelled(label), *_listed([*changed, *moved], room)]


def _moved(proposal: ActionProposal, old: ActionProposal, room: Room) -> list[str]:
    read = proposal.status is not ActionStatus.PROPOSED and proposal.pins and old.pins
    return list(differences(old.pins, proposal.pins, room.line // 2)) if read else []


def _also(moved: list[str], room: Room) -> list[Block]:
    return [sections.labelled("The target has changed too"), *_listed(moved, room)] if moved else []


def _listed(changes: list[str], room: Room) -> list[Block]:
    if not changes:
        return []
    shown = [[blocks.text(one)] for one in changes[: room.items]]
    more = len(changes) - len(shown)
    return [blocks.bullets([*shown, *([[blocks.text(f"and {more} more {room.rest}")]] if more else [])])]


def _value(values: Mapping[str, Json], name: str) -> str:
    if name not in values:
        return "(not set)"
    value = values[name]
    plain = isinstance(value, str) and _WORD.fullmatch(value) and value not in _RESERVED
    return value if isinstance(value, str) and plain else spelled(value)


def _change(before: str, after: str, most: int) -> str:
    one, other = cut(before, most), cut(after, most)
    return f"{one} → {other}" if one != other else "changed; too long to be shown here"
