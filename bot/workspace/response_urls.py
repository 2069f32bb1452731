"""Response URLs: the right to answer what a person did, five times within half an hour."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.workspace.errors import RefusedError
from bot.workspace.ids import Ids

USES = 5
LIFETIME_SECONDS = 30 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a response URL answers: a user in a channel, and the message that was clicked if one was."""

    user_id: str
    channel_id: str
    message_ts: str | None
    expires_at: float
    uses_left: int = USES


class ResponseUrls:
    """Issues the secret last part of response URLs and counts their uses."""

    def __init__(self, *, clock: Callable[[], float], ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._targets: dict[str, Target] = {}

    def issue(self, *, user_id: str, channel_id: str, message_ts: str | None = None) -> str:
        """Return the secret of a new response URL."""
        secret = self._ids.secret()
        self._targets[secret] = Target(
            user_id=user_id,
            channel_id=channel_id,
            message_ts=message_ts,
            expires_at=self._clock() + LIFETIME_SECONDS,
        )
        return secret

    def use(self, secret: str) -> Target:
        """Count one use of *secret* and return what it answers.

        Raises:
            RefusedError: It is unknown (``invalid_url``), too old (``expired_url``) or used up (``used_url``).
        """
        target = self._targets.get(secret)
        if target is None:
            raise RefusedError("invalid_url")
        if self._clock() > target.expires_at:
            raise RefusedError("expired_url")
        if target.uses_left == 0:
            raise RefusedError("used_url")
        self._targets[secret] = replace(target, uses_left=target.uses_left - 1)
        return target
