"""The digest of a record, computed from the raw row: quicker than by way of the record."""

import hashlib
from collections.abc import Collection
from typing import Any, Final

import orjson
from sqlalchemy import Column, Table

from storage.columns import Converted, JsonText, Lines, Rows, UtcTime, from_microseconds

_KEPT_AS_JSON: Final = (JsonText, Lines, Rows)


class RowDigest:
    """Digests the rows of one table; the columns are those to select, in this order."""

    def __init__(self, table: Table, *, left_out: Collection[str] = (), times: Collection[str] = ()) -> None:
        kept = sorted((column for column in table.c if column.name not in left_out), key=lambda column: column.name)
        self.names = tuple(column.name for column in kept)
        self.select = f"SELECT {', '.join(_quoted(name) for name in self.names)} FROM {table.name}"  # noqa: S608 - our own names
        self._times = [
            place for place, column in enumerate(kept) if isinstance(_kind(column), UtcTime) or column.name in times
        ]
        self._documents = [place for place, column in enumerate(kept) if isinstance(_kind(column), _KEPT_AS_JSON)]

    def of(self, row: tuple[Any, ...]) -> str:
        """Return the digest; `ValueError` or `TypeError` for a row that is no record at all."""
        values = list(row)
        for place in self._times:
            if values[place] is not None:
                values[place] = from_microseconds(values[place])  # which orjson writes as isoformat() does
        for place in self._documents:
            # The column holds canonical JSON already; if somebody wrote it otherwise, the digest is to differ.
            values[place] = orjson.Fragment(values[place])
        document = orjson.dumps(dict(zip(self.names, values, strict=True)))
        return hashlib.sha256(document).hexdigest()


def _kind(column: Column[Any]) -> Converted | None:
    return column.type if isinstance(column.type, Converted) else None


def _quoted(name: str) -> str:
    return f'"{name}"'
