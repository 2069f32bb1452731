"""Bringing a database to the schema that this version needs, or saying why it cannot be used."""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from actions.errors import ConfigurationError, StorageError
from actions.ports import Clock
from storage.database_file import OURS_ALONE, DatabaseFile
from storage.engine import build_engine, connect, quick_check
from storage.failures import how_to_restore, storage_error, translated

_PATIENCE: Final = 30.0
"""Seconds to wait for other processes' transactions while migrating."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What the tables may look like, and the way there."""

    revisions: tuple[str, ...]
    """Every revision that can be migrated from, and last the one to migrate to."""
    migrations: Path
    """The folder with Alembic's `versions`."""

    @property
    def newest(self) -> str:
        """Return the revision that the code works with."""
        return self.revisions[-1]


OURS: Final = Schema(revisions=("0001",), migrations=Path(__file__).with_name("migrations"))
"""Spelled out, so that most starts need not load Alembic; a test holds it to the migrations."""


def migrate(file: DatabaseFile, *, clock: Clock, busy_timeout: float, schema: Schema = OURS) -> None:
    """Create the database, or bring it to the newest schema, one process at a time, after a backup.

    Raises:
        ConfigurationError: it was written by a newer version, is not this program's, or others can read it.
        StorageError: it is damaged, locked, or the disk is full; it is then as it was.
    """
    file.prepare()
    if _revision(file, busy_timeout, schema) == schema.newest:
        return
    with _alone(file):
        revision = _revision(file, _PATIENCE, schema)
        if revision == schema.newest:
            return
        if revision is not None:
            quick_check(file, busy_timeout=_PATIENCE)
            _back_up(file, revision, clock)
        _upgrade(file, revision, schema)


def _revision(file: DatabaseFile, busy_timeout: float, schema: Schema) -> str | None:
    if file.path.stat().st_size == 0:
        return None
    try:
        with closing(connect(file, busy_timeout=busy_timeout, read_only=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise storage_error(error, file.path) from error
        raise ConfigurationError(
            f"{file.path} is a database of some other program. Set `database` to a file of operator's own."
        ) from error
    except sqlite3.Error as error:
        raise storage_error(error, file.path) from error
    return None if found is None else _known(file, str(found[0]), schema)


def _known(file: DatabaseFile, revision: str, schema: Schema) -> str:
    if revision not in schema.revisions:
        raise ConfigurationError(
            f"The database {file.path} has schema {revision}; this version of operator knows those up to "
            f"{schema.newest}. Start the newer version that wrote it. To go back instead: {how_to_restore(file.path)}."
        )
    return revision


@contextmanager
def _alone(file: DatabaseFile) -> Iterator[None]:
    lock = os.open(file.companion(".migrate.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, OURS_ALONE)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting for another process to migrate %s", file.path)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _back_up(file: DatabaseFile, revision: str, clock: Clock) -> None:
    target = file.companion(f".backup-{revision}-{clock.now():%Y%m%dT%H%M%SZ}")
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, OURS_ALONE))
        with (
            closing(connect(file, busy_timeout=_PATIENCE, read_only=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
        _to_disk(target)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            f"The backup {target} could not be written ({error}), so {file.path} was not migrated. "
            "Free some space or move that file away, then start operator again."
        ) from error
    log.info("backed %s up to %s before migrating it from schema %s", file.path, target, revision)


def _to_disk(path: Path) -> None:
    for name in (path, path.parent):
        descriptor = os.open(name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _upgrade(file: DatabaseFile, revision: str | None, schema: Schema) -> None:
    # Alembic takes 0.4 s to load, and all starts but the first and those after an update need nothing of it.
    from storage.upgrade import upgrade  # noqa: PLC0415

    engine = build_engine(file, busy_timeout=_PATIENCE)
    try:
        with engine.connect() as connection:
            upgrade(connection, revision, schema.migrations)
    except Exception as error:  # boundary: whatever a migration meets is told as the database's own trouble
        raise translated(error, file.path) from error
