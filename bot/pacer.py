"""How fast one channel may be written to: about one message a second, short bursts, and pauses that Slack asks for."""

from dataclasses import dataclass
from typing import Final

from actions.ports import Clock

BURST: Final = 4
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

    def take(self, channel: str) -> float:
        """Take the right to write to *channel* now and return 0, or return the seconds until it may be asked again."""
        now = self._clock.monotonic()
        pause = self._paused_until.get(channel, now) - now
        if pause > 0:
            return pause
        bucket = self._buckets.setdefault(channel, _Bucket(float(BURST), now))
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) * RATE)
        bucket.at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / RATE
        bucket.tokens -= 1
        return 0.0

    def pause(self, channel: str, seconds: float) -> None:
        """Write nothing to *channel* for this long."""
        self._paused_until[channel] = self._clock.monotonic() + seconds
