"""The modal in which a person says what became of an action whose outcome is unknown."""

from typing import Final

from actions.ports import Dossier
from actions.registry import Happened
from bot.ids import Field, Modal
from bot.payloads import ProposalRef
from bot.views import blocks, sections
from bot.views.blocks import Block, View
from bot.views.form import every_parameter, form, one_of, option, question, said, words
from bot.views.room import Room

HAPPENED: Final = Happened.YES.value
"""The value of the option that says so."""
_MEANING: Final = (
    "Look at the target yourself first. What you say is taken as the outcome, ends the search for it, and stands in "
    "the audit log beside your name. After that, other actions may run on this target again."
)


def resolve_modal(dossier: Dossier) -> View:
    """Draw what was sent, and ask what became of it and how that is known."""
    return form(
        Modal.RESOLVE,
        ProposalRef(p=dossier.proposal.id),
        lambda room: [said(_MEANING), *_sent(dossier, room), _happened(), *_evidence()],
        title=f"Settle action {dossier.proposal.id}",
        submit="Settle it",
    )


def _sent(dossier: Dossier, room: Room) -> list[Block]:
    outcome = sections.outcome(dossier, room)
    return [
        blocks.rich_text(*sections.named(dossier.proposal)),
        every_parameter(dossier.proposal),
        *([blocks.rich_text(*outcome)] if outcome else []),
    ]


def _happened() -> Block:
    options = (
        option("It happened: all of it is there", HAPPENED),
        option("It did not happen: nothing of it is there", Happened.NO.value),
    )
    return question(Field.HAPPENED.value, "What became of it?", one_of(Field.HAPPENED.value, options))


def _evidence() -> list[Block]:
    return [
        words(
            Field.EVIDENCE,
            "What did you look at?",
            hint="A command and what it said, a graph, a log line.",
            multiline=True,
        ),
        words(Field.REASON, "Why does that settle it?"),
    ]
