"""The values that a configuration may hold, read from the way people write them. Pure."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from actions.models import Verb
from bot.timetable import cron

_UNITS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|h|d)?")
_LOCAL_TIME: Final = re.compile(r"[1-8][0-9]{3}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = "postgresql+psycopg://"
_PASSWORD: Final = re.compile(r"(?<=://)(?P<user>[^/:@\s]*):[^/@\s]*@|(?P<key>[?&]password=)[^&\s]*")


def duration(value: object) -> timedelta:
    """Return a length of time from seconds, or from text such as `15s`, `5min`, `1h`, `7d`. Raises `ValueError`."""
    match value:
        case timedelta():
            return value
        case bool():
            pass
        case int() | float():
            return _seconds(float(value))
        case str():
            found = _DURATION.fullmatch(value.strip())
            if found is not None:
                return _seconds(float(found[1]) * _UNITS[found[2] or "s"])
        case _:
            pass
    raise ValueError('not a length of time such as "15s", "5min", "1h", "7d" or a number of seconds')


def _seconds(value: float) -> timedelta:
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise ValueError("not a length of time that can be waited for") from None


def local_time(value: object) -> datetime:
    """Return what clocks show, without a zone, from text such as `2026-12-20 08:00`. Raises `ValueError`."""
    text = value.isoformat() if isinstance(value, datetime) else str(value).strip()
    with suppress(ValueError):  # there is no such day or hour
        if _LOCAL_TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    raise ValueError('not a local time such as "2026-12-20 08:00" (in which zone, the key timezone says)')


def hourly_cron(expression: str) -> str:
    """Return a cron expression if it comes at most once an hour. Raises `ValueError`."""
    if len(cron(expression, UTC).minutes) > 1:
        raise ValueError("it begins more than once an hour; give one minute, and a window of its own to each other one")
    return expression


def grantable(verb: Verb) -> Verb:
    """Return a verb that can be granted and denied. Raises `ValueError`."""
    if verb is Verb.ABORT:
        raise ValueError("everybody in the workspace may abort, which can be neither granted nor denied; remove abort")
    return verb


def zone_name(name: str) -> str:
    """Return the name if it is that of a time zone. Raises `ValueError`."""
    zone(name)
    return name


def zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Raises `ValueError`."""
    if name == "UTC":
        return UTC  # needs no time zone data on the machine
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone that this machine knows (is tzdata installed?)") from None


def database_url(value: str, home: Path) -> str:
    """Return the address of a database, a file in it seen from *home*. Raises `ValueError`."""
    if value.startswith(_POSTGRES):
        return value
    file = value.removeprefix(_SQLITE)
    if file == value or not file or file.startswith((":", "?")):
        raise ValueError("not an address that can be used; databases in memory cannot be, as they forget")
    return f"{_SQLITE}{home / file}"


def database_file(url: str) -> Path | None:
    """Return the file of an SQLite address, or None for other databases."""
    return Path(url.removeprefix(_SQLITE).partition("?")[0]) if url.startswith(_SQLITE) else None


def masked(url: str) -> str:
    """Return an address without its password."""
    return _PASSWORD.sub(lambda found: f"{found['key']}***" if found["key"] else f"{found['user']}:***@", url)


def has_password(url: str) -> bool:
    """Return whether an address carries a password."""
    return bool(_PASSWORD.search(url))
