"""Points in time and durations in words. Messages stay while time goes on, so ages name the moment they refer to."""

from datetime import UTC, datetime
from math import ceil


def clock(at: datetime) -> str:
    """Return the time of day, such as `02:10:05 UTC`."""
    return f"{at.astimezone(UTC):%H:%M:%S} UTC"


def moment(at: datetime) -> str:
    """Return date and time, such as `2026-03-01 02:10:05 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def age(at: datetime, now: datetime) -> str:
    """Return how old *at* is, such as `2 min old at 02:12:05 UTC`."""
    return f"{duration((now - at).total_seconds())} old at {clock(now)}"


def left(until: datetime, now: datetime) -> str:
    """Return how long it is until then, such as `13 min from 02:12:05 UTC`; `over` when it has passed."""
    seconds = (until - now).total_seconds()
    return f"{duration(seconds)} from {clock(now)}" if seconds > 0 else "over"


def seconds_until(at: datetime, now: datetime) -> int:
    """Return whole seconds, rounded up; 0 once it has passed."""
    return max(ceil((at - now).total_seconds()), 0)


def duration(seconds: float) -> str:
    """Return a duration with its two largest units; a negative one is zero."""
    whole = max(round(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3_600, whole // 86_400
    if whole < 120:
        return f"{whole} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"
