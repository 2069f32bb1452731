"""What is different about a proposal from the one whose place it took. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from actions.canonical import Json
from actions.models import ActionProposal
from actions.ports import Dossier


class Aspect(StrEnum):
    """What sort of thing changed."""

    PARAMETER = "parameter"
    """What would run."""
    PIN = "pin"
    """A fact that the decision rests on."""
    IMPACT = "impact"
    """A number that was computed from the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that is not what it was."""

    aspect: Aspect
    name: str
    old: Json
    """None also where there was nothing."""
    new: Json


def changes(dossier: Dossier) -> tuple[Change, ...]:
    """Return what changed since the proposal before; nothing if there was none.

    What is read from the target is compared once both have been read.
    """
    before, now = dossier.replaces, dossier.proposal
    if before is None:
        return ()
    read = _compared(Aspect.PIN, before.pins, now.pins), _compared(Aspect.IMPACT, _impact(before), _impact(now))
    return (
        *_compared(Aspect.PARAMETER, before.parameters, now.parameters),
        *(change for one in read if before.pins and now.pins for change in one),
    )


def _compared(aspect: Aspect, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[Change]:
    for name in (*new, *(name for name in old if name not in new)):
        if old.get(name) != new.get(name):
            yield Change(aspect=aspect, name=name, old=old.get(name), new=new.get(name))


def _impact(proposal: ActionProposal) -> Mapping[str, Json]:
    return {fact.label: fact.value for fact in proposal.impact}
