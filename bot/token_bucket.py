"""Lets so many through in a minute, and says when the next may try."""

from actions.ports import Clock


class TokenBucket:
    """Holds a minute's worth, refilled evenly."""

    def __init__(self, *, per_minute: int, clock: Clock) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._tokens = self._size
        self._filled_at = clock.monotonic()

    def take(self) -> float:
        """Take one and return 0.0, or return the seconds until there is one."""
        now = self._clock.monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._per_second
        self._tokens -= 1
        return 0.0
