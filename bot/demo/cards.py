"""Reads cards the way a person does: from what the message shows, and nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.ids import Button, MessageEvent
from bot.views.parameters import read_parameters
from bot.workspace.server import Workspace

_AFTERWARDS: Final = frozenset({Button.UNDO.value, Button.RETRY.value, Button.REVIEW.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One card of the channel, as it stands."""

    number: int
    """Of the action."""
    ts: str
    headline: str
    text: str
    parameters: Mapping[str, Any] | None
    """As they stand on it; None if they cannot be read back."""
    buttons: frozenset[str]

    @property
    def can_be_approved(self) -> bool:
        """Whether it has an Approve button."""
        return Button.APPROVE.value in self.buttons

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be decided about it any more; what follows on it may be asked for."""
        return self.buttons <= _AFTERWARDS

    def names(self, action: str, parameters: Mapping[str, Any]) -> bool:
        """Return whether a person reads on it that exactly this would run."""
        return action in self.text.split() and self.parameters == parameters


def cards(workspace: Workspace, channel: str) -> list[Card]:
    """Return the cards in a channel, the oldest first."""
    return [_card(message) for message in workspace.messages(channel) if _is_card(message)]


def said_to(workspace: Workspace, channel: str, user: str) -> str:
    """Return the last thing that only *user* was told; empty if there was none."""
    private = workspace.ephemerals(channel, user=user)
    return visible_text(private[-1].get("blocks") or private[-1]) if private else ""


def visible_text(shown: Any) -> str:
    """Return everything that can be read on blocks, in order."""
    return " ".join(_texts(shown))


def _is_card(message: Mapping[str, Any]) -> bool:
    return bool(message.get("metadata", {}).get("event_type") == MessageEvent.CARD.value)


def _card(message: Mapping[str, Any]) -> Card:
    blocks = message["blocks"]
    try:
        parameters = read_parameters(blocks)
    except ValueError:
        parameters = None
    return Card(
        number=int(message["metadata"]["event_payload"]["ref"]),
        ts=message["ts"],
        headline=visible_text([block for block in blocks if block["type"] == "header"]),
        text=visible_text([block for block in blocks if block["type"] != "actions"]),
        parameters=parameters,
        buttons=frozenset(
            element["action_id"] for block in blocks if block["type"] == "actions" for element in block["elements"]
        ),
    )


def _texts(shown: Any) -> Iterator[str]:
    match shown:
        case {"text": str() as said}:
            yield said.strip()
        case Mapping():
            for value in shown.values():
                yield from _texts(value)
        case list():
            for value in shown:
                yield from _texts(value)
        case _:
            pass
