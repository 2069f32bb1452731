"""The values that a configuration may hold, read from the way people write them. Pure."""

import re
from datetime import UTC, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UNITS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|h|d)?")
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
