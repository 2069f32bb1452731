"""What every way of reaching the app has in common: a payload goes out, an acknowledgement comes back or does not."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.workspace.records import Json


class Kind(StrEnum):
    """What is delivered, as Socket Mode calls it."""

    EVENT = "events_api"
    INTERACTIVE = "interactive"
    COMMAND = "slash_commands"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What the app answered and how many milliseconds it took.

    Without an answer in time *error* is ``operation_timeout``; without anybody to answer it is ``dispatch_failed``.
    """

    ms: float
    payload: Json | None = None
    error: str | None = None

    @property
    def acked(self) -> bool:
        """Whether the app acknowledged in time."""
        return self.error is None


class Delivery(Protocol):
    """A way to reach the app."""

    async def deliver(self, kind: Kind, payload: Json, *, retry: int = 0, retry_reason: str = "") -> Acknowledgement:
        """Send *payload* once and wait for the acknowledgement, three seconds at most; never raises."""
        ...
