"""How fast one channel may be written to: about one message a second, short bursts, and pauses that Slack asks for."""

from dataclasses import dataclass
from typing import Final

from actions.ports import Clock

BURST: Final = 8
"""One action's whole story: proposed, decided, run, done, its result, and what else is said meanwhile."""
RATE: Final = 1.0
"""Messages a second, per channel (docs.slack.dev, rate limits: chat.postMessage)."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Pacer:
    """A token bucket for each channel, over an injected clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._paused_until: dict[str, float] = {}

    def wait(self, channel: str) -> float:
        """Return the seconds until *channel* may be written to, 0 for now; takes nothing."""
        now = self._clock.monotonic()
        pause = self._paused_until.get(channel, now) - now
        if pause > 0:
            return pause
        tokens = self._filled(channel, now).tokens
        return (1 - tokens) / RATE if tokens < 1 else 0.0

    def take(self, channel: str) -> float:
        """Take the right to write to *channel* now and return 0, or return the seconds until it may be asked again."""
        wait = self.wait(channel)
        if not wait:
            self._buckets[channel].tokens -= 1
        return wait

    def pause(self, channel: str, seconds: float) -> None:
        """Write nothing to *channel* for this long; a longer pause that is under way stays."""
        until = self._clock.monotonic() + seconds
        self._paused_until[channel] = max(until, self._paused_until.get(channel, until))

    def _filled(self, channel: str, now: float) -> _Bucket:
        bucket = self._buckets.setdefault(channel, _Bucket(float(BURST), now))
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) * RATE)
        bucket.at = now
        return bucket
