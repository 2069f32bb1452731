"""A message, ready to be posted or to replace what was posted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from actions.ports import OutboxKind
from bot.ids import MessageEvent
from bot.views.blocks import Block

MOST_TEXT: Final = 3_500
_EVENTS: Final = {
    OutboxKind.CARD: MessageEvent.CARD,
    OutboxKind.RESULT: MessageEvent.RESULT,
    OutboxKind.DIAGNOSIS: MessageEvent.DIAGNOSIS,
    OutboxKind.ANNOUNCEMENT: MessageEvent.ANNOUNCEMENT,
    OutboxKind.DIGEST: MessageEvent.DIGEST,
    OutboxKind.REMINDER: MessageEvent.REMINDER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is shown, and how our own message is found again."""

    text: str
    """All of it for screen readers and notifications; at most 3,500 characters, with nothing that pings or links."""
    blocks: tuple[Block, ...]
    metadata: Mapping[str, Any] | None = None
    """What delivery looks for after it lost track; None for what only one person sees."""

    def payload(self) -> dict[str, Any]:
        """Return the arguments that posting, updating and answering share."""
        shown: dict[str, Any] = {"text": self.text, "blocks": list(self.blocks)}
        return shown | ({"metadata": dict(self.metadata)} if self.metadata else {})


def metadata(kind: OutboxKind, ref: str) -> Mapping[str, Any]:
    """Return the metadata of the message that shows *ref*: ids only. Raises `KeyError` for notices, which have none."""
    return {"event_type": _EVENTS[kind].value, "event_payload": {"ref": ref}}
