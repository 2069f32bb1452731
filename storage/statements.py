"""Running statements: SQLAlchemy writes the SQL once, the driver's own cursor runs it ever after.

A statement costs a few microseconds this way, and five times as much through `Connection.execute`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import Delete, Dialect, Insert, Select, Table, Update
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from actions.errors import StorageError
from storage.channel import Arguments, Channel
from storage.columns import Converted
from storage.known import Known

T = TypeVar("T")
Statement: TypeAlias = Select[Any] | Insert | Update | Delete
Values: TypeAlias = Mapping[str, object]
Row: TypeAlias = dict[str, Any]
Converter: TypeAlias = Callable[[Any], Any]
_NO_VALUES: Final[Values] = {}


def upsert(table: Table) -> postgresql.Insert:
    """Return an INSERT that knows ON CONFLICT; PostgreSQL's own, which SQLAlchemy compiles for SQLite as well."""
    return postgresql.insert(table)


class Prepared:
    """A statement as SQL text for one dialect, with the conversions of what goes in and comes out."""

    def __init__(self, statement: Statement, names: frozenset[str], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=sorted(names))
        writers = {name: _writer(bind.type, dialect) for name, bind in compiled.binds.items()}
        self.sql = str(compiled)
        self.changes = not isinstance(statement, Select)
        self._constants = {
            name: _convert(writers[name], bind.value) for name, bind in compiled.binds.items() if name not in names
        }
        self._writers = [(name, write) for name, write in writers.items() if write is not None and name in names]
        columns = list(statement.exported_columns)
        self._names = tuple(column.name for column in columns)
        readers = ((column.name, _reader(column.type, dialect)) for column in columns)
        self._readers = [(name, read) for name, read in readers if read is not None]

    def arguments(self, values: Values) -> dict[str, object]:
        """Return what the driver is given; `ValueError` for a value that its column cannot hold."""
        given = {**self._constants, **values}
        for name, write in self._writers:
            value = given[name]
            if value is not None:
                given[name] = write(value)
        return given

    def row(self, found: tuple[Any, ...]) -> Row:
        """Return what the driver fetched, by name and converted; `StorageError` for a damaged row."""
        row = dict(zip(self._names, found, strict=True))
        try:
            for name, read in self._readers:
                value = row[name]
                if value is not None:
                    row[name] = read(value)
        except (ValueError, TypeError) as error:
            raise damaged(error) from error
        return row


class Statements:
    """The few ways in which the tables' classes use a channel."""

    def __init__(self, channel: Channel, known: Known) -> None:
        self._channel = channel
        self._known = known
        self.changed = False
        """Whether a statement was run that changes something."""
        self.failure: BaseException | None = None
        """What a statement met; the transaction is worth nothing any more."""

    def _rows(self, statement: Statement, values: Values = _NO_VALUES) -> list[Row]:
        prepared, found = self._ask(statement, values)
        return [prepared.row(one) for one in found]

    def _first(self, statement: Statement, values: Values = _NO_VALUES) -> Row | None:
        prepared, found = self._ask(statement, values)
        return prepared.row(found[0]) if found else None

    def _count(self, statement: Statement, values: Values) -> int:
        """Return how many rows it changed; it must have a RETURNING."""
        return len(self._ask(statement, values)[1])

    def _ask(self, statement: Statement, values: Values) -> tuple[Prepared, list[tuple[Any, ...]]]:
        prepared, arguments = self._prepare(statement, values)
        try:
            return prepared, self._channel.ask(prepared.sql, arguments)
        except BaseException as error:
            self.failure = error
            raise

    def _tell(self, statement: Statement, values: Values, *, once: bool = False) -> None:
        prepared, arguments = self._prepare(statement, values)
        try:
            self._channel.tell(prepared.sql, arguments, once=once)
        except BaseException as error:
            self.failure = error
            raise

    def _prepare(self, statement: Statement, values: Values) -> tuple[Prepared, Arguments]:
        if self.failure is not None:
            raise self.failure  # the database may have given the transaction up, and would commit this on its own
        prepared = _prepared(statement, frozenset(values), self._channel.dialect)
        arguments = prepared.arguments(values)
        self.changed = self.changed or prepared.changes
        return prepared, arguments


def build(record: Callable[..., T], row: Row) -> T:
    """Return the record whose fields are the row's columns; `StorageError` if they do not fit."""
    try:
        return record(**row)
    except (ValueError, TypeError) as error:
        raise damaged(error) from error


def damaged(error: Exception) -> StorageError:
    """Return the sentence for a row that cannot be read."""
    return StorageError(
        f"A row in the database is damaged ({error}). Nothing was changed. "
        "`operator audit verify` says which; restore a backup if it was not you."
    )


@lru_cache(maxsize=512)
def _prepared(statement: Statement, names: frozenset[str], dialect: Dialect) -> Prepared:
    return Prepared(statement, names, dialect)


def _convert(write: Converter | None, value: Any) -> Any:
    return value if write is None or value is None else write(value)


def _writer(kind: TypeEngine[Any], dialect: Dialect) -> Converter | None:
    return kind.write if isinstance(kind, Converted) else kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Converter | None:
    return kind.read if isinstance(kind, Converted) else kind.dialect_impl(dialect).result_processor(dialect, None)
