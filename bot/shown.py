"""A rendered message on its way to Slack: what, where, and which state of things it shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from actions.ports import MessageRef, OutboxItem, OutboxKind
from bot.views import blocks
from bot.views.message import Message

IN_THE_THREAD: Final = frozenset({OutboxKind.RESULT, OutboxKind.REMINDER})
"""What is posted as a reply to a proposal's card."""


def proposal_of(item: OutboxItem | MessageRef) -> str:
    """Return the id of the proposal that a card, or a reply to one, is about."""
    return item.ref.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an outbox item is to look like now, and where."""

    message: Message
    channel: str
    """An id, or a name with `#`."""
    fallback: str
    """Where it goes if the bot cannot write there."""
    version: int = 0
    """Grows with the state it shows; stands in the metadata, so that what Slack shows can be compared."""
    thread: MessageRef | None = None

    @property
    def destination(self) -> str:
        """The channel it is posted to."""
        return self.thread.channel_id if self.thread else self.channel

    def payload(self) -> dict[str, Any]:
        """Return the arguments that posting and updating share."""
        payload = self.message.payload()
        if "metadata" in payload:
            event = payload["metadata"]
            event_payload = {**event["event_payload"], "version": self.version}
            payload["metadata"] = {"event_type": event["event_type"], "event_payload": event_payload}
        return payload

    def redirected(self) -> dict[str, Any]:
        """Return the arguments for the fallback channel; the message says why it is there."""
        why = f"Posted here because the bot cannot write to {self.destination}. Invite it there, or change the route."
        note = {"type": "context", "elements": [blocks.plain(why)]}
        return {**self.payload(), "blocks": [*self.message.blocks, note]}

    def text_alone(self, item: OutboxItem, code: str) -> dict[str, Any]:
        """Return the arguments for when Slack refuses the blocks: the text says everything, and what is missing."""
        of_action = item.kind in {OutboxKind.CARD, *IN_THE_THREAD}
        how = f" Look at it with /operator show {proposal_of(item)}." if of_action else ""
        why = f"(Slack refused the full message: {code}. Buttons are missing.{how})"
        return {**self.payload(), "text": f"{self.message.text}\n{why}", "blocks": []}

    def is_shown_by(self, found: Mapping[str, Any]) -> bool:
        """Return whether a message that Slack gives out, metadata included, is about the same thing."""
        metadata, wanted = found.get("metadata") or {}, self.message.metadata or {}
        payload, expected = metadata.get("event_payload") or {}, wanted.get("event_payload") or {}
        return (metadata.get("event_type"), payload.get("ref")) == (wanted.get("event_type"), expected.get("ref"))


class NotYetError(Exception):
    """A thread's reply is due before the message that it belongs to was posted."""
