"""How values are kept in columns: times as integers, enumerations as text, structures as canonical JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from actions.canonical import Json, canonical_json
from actions.diagnosis.models import Refused
from actions.models import Fact, Step

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_OFFSET: Final = timedelta(0)


def microseconds(at: datetime) -> int:
    """Return microseconds since 1970, exactly; `ValueError` for a time that is not in UTC."""
    if at.tzinfo is not UTC and at.utcoffset() != _NO_OFFSET:
        raise ValueError(f"not a time in UTC: {at!r}")
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """Return the time that `microseconds` was given; `ValueError` for a number that is none."""
    try:
        return _EPOCH + timedelta(microseconds=value)
    except OverflowError:
        raise ValueError(f"not a time: {value!r}") from None


def json_text(value: Json) -> str:
    """Return the canonical JSON as text, which is what columns hold and hashes cover."""
    return canonical_json(value).decode()


class Converted(TypeDecorator[Any]):
    """A column whose values are written and read by two functions; NULL stays None."""

    impl: type[TypeEngine[Any]] = Text
    cache_ok = True

    def write(self, value: Any) -> Any:
        """Return what the database keeps, or raise `ValueError`."""
        raise NotImplementedError

    def read(self, value: Any) -> Any:
        """Return what the record holds; `ValueError` or `TypeError` if the database holds something else."""
        raise NotImplementedError

    def as_stored(self, value: Any) -> Any:
        """Return the value as it will be read back."""
        return self.read(self.write(value))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Write, as SQLAlchemy asks for it."""
        return None if value is None else self.write(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Read, as SQLAlchemy asks for it."""
        return None if value is None else self.read(value)


class UtcTime(Converted):
    """A time, kept as microseconds since 1970, so that it sorts and nothing of it is lost."""

    impl = BigInteger
    cache_ok = True

    def write(self, value: datetime) -> int:
        """See `microseconds`."""
        return microseconds(value)

    def read(self, value: int) -> datetime:
        """See `from_microseconds`."""
        return from_microseconds(value)


class EnumText(Converted):
    """A member of one of these enumerations, kept as its value; no value may belong to two of them."""

    cache_ok = True

    def __init__(self, enums: tuple[type[StrEnum], ...]) -> None:
        super().__init__()
        self.enums = enums  # a public attribute named like the argument: SQLAlchemy's cache key is made of these
        self._members = {member.value: member for enum in enums for member in enum}

    def write(self, value: StrEnum) -> str:
        """Return the value of the member."""
        return value.value

    def read(self, value: str) -> StrEnum:
        """Return the member."""
        try:
            return self._members[value]
        except KeyError:
            raise ValueError(f"{value!r} is none of {', '.join(self._members)}") from None


class JsonText(Converted):
    """A JSON object, kept as canonical text."""

    cache_ok = True

    def write(self, value: Mapping[str, Json]) -> str:
        """See `json_text`."""
        return json_text(value)

    def read(self, value: str) -> Any:
        """Parse."""
        return orjson.loads(value)


class Lines(Converted):
    """A tuple of strings, kept as a JSON list."""

    cache_ok = True

    def write(self, value: Sequence[str]) -> str:
        """See `json_text`."""
        return json_text(value)

    def read(self, value: str) -> tuple[str, ...]:
        """Parse."""
        return tuple(_list(value))


class Rows(Converted):
    """A tuple of small records, kept as a JSON list with one list of field values for each."""

    cache_ok = True

    def __init__(self, record: type[Fact | Step | Refused]) -> None:
        super().__init__()
        self.record = record
        self._names = tuple(field.name for field in fields(record))

    def write(self, value: Sequence[Fact | Step | Refused]) -> str:
        """Write the values in the order of the fields."""
        return json_text([[getattr(item, name) for name in self._names] for item in value])

    def read(self, value: str) -> tuple[Fact | Step | Refused, ...]:
        """Parse."""
        return tuple(self.record(**dict(zip(self._names, item, strict=True))) for item in _list(value))


def _list(text: str) -> list[Any]:
    found = orjson.loads(text)
    if not isinstance(found, list):
        raise TypeError(f"not a list: {text[:80]!r}")
    return found
