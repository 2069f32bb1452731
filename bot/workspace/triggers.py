"""Trigger ids: the short-lived right to open a modal that comes with everything a person does."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.workspace.errors import RefusedError
from bot.workspace.ids import Ids

TRIGGER_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Who acted, until when a view may be opened for it, and in which modal it happened if in one."""

    user_id: str
    expires_at: float
    view_id: str | None = None


class Triggers:
    """Issues trigger ids; each opens one view within three seconds."""

    def __init__(self, *, clock: Callable[[], float], ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._pending: dict[str, Trigger] = {}
        self._used: set[str] = set()

    def issue(self, user_id: str, *, view_id: str | None = None) -> str:
        """Return a new trigger id for what *user_id* did just now."""
        trigger_id = f"{self._ids.next('')}.{self._ids.secret()[:32]}"
        self._pending[trigger_id] = Trigger(
            user_id=user_id, view_id=view_id, expires_at=self._clock() + TRIGGER_SECONDS
        )
        return trigger_id

    def redeem(self, trigger_id: str) -> Trigger:
        """Use *trigger_id* up.

        Raises:
            RefusedError: It is unknown, too old or was used before.
        """
        if trigger_id in self._used:
            raise RefusedError("exchanged_trigger_id")
        if trigger_id not in self._pending:
            raise RefusedError("invalid_trigger_id")
        trigger = self._pending.pop(trigger_id)
        self._used.add(trigger_id)
        if self._clock() > trigger.expires_at:
            raise RefusedError("expired_trigger_id")
        return trigger
