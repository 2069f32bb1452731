"""A database is brought to the schema that the code needs, or left alone."""

import asyncio
import fcntl
import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event
from sqlmodel import SQLModel

from actions.errors import ConfigurationError, StorageError
from storage import tables
from storage.database_file import DatabaseFile
from storage.engine import build_engine
from storage.migrate import OURS, Schema, migrate
from storage.store import SqlStore
from storage.upgrade import revisions, upgrade
from tests.factories import FixedClock

MASTER = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND tbl_name NOT LIKE 'alembic%'"


def schema(connection: sqlite3.Connection) -> dict[str, str]:
    return {name: " ".join((sql or "").split()) for kind, name, sql in connection.execute(MASTER) if kind != "trigger"}


def set_revision(path: Path, revision: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.commit()


def test_the_tables_and_the_migrations_agree(path: Path, tmp_path: Path) -> None:
    fresh = create_engine(f"sqlite:///{tmp_path}/fresh.db")
    SQLModel.metadata.create_all(fresh)
    migrated = create_engine(f"sqlite:///{path}")
    with migrated.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    with closing(sqlite3.connect(path)) as ours, closing(sqlite3.connect(tmp_path / "fresh.db")) as theirs:
        assert schema(ours) == schema(theirs)
    fresh.dispose()
    migrated.dispose()

    assert differences == []
    assert {table.name for table in SQLModel.metadata.tables.values()} >= {tables.AUDIT.name, tables.PROPOSALS.name}


def test_the_code_knows_every_migration() -> None:
    assert list(OURS.revisions) == revisions(OURS.migrations)
    assert ScriptDirectory(str(OURS.migrations)).get_heads() == [OURS.newest]


def test_a_database_of_the_newest_schema_is_left_alone(path: Path) -> None:
    before = path.read_bytes()
    migrate(DatabaseFile(path), clock=FixedClock(), busy_timeout=1)

    assert path.read_bytes() == before
    assert not list(path.parent.glob("*backup*"))


def test_a_newer_schema_is_refused_by_name(path: Path) -> None:
    set_revision(path, "0099")

    with pytest.raises(
        ConfigurationError, match=rf"has schema 0099; this version of operator knows those up to {OURS.newest}"
    ):
        migrate(DatabaseFile(path), clock=FixedClock(), busy_timeout=1)


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE proposals (id)")
    path.chmod(0o600)

    with pytest.raises(ConfigurationError, match="is a database of some other program"):
        migrate(DatabaseFile(path), clock=FixedClock(), busy_timeout=1)


def test_a_damaged_database_is_refused_with_the_way_to_restore_it(path: Path) -> None:
    backup = path.with_name("operator.db.backup-0001-20260301T120000Z")
    shutil.copy(path, backup)
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])

    with pytest.raises(StorageError, match=rf"is damaged, or no database at all .*copy {backup} to {path}\."):
        migrate(DatabaseFile(path), clock=FixedClock(), busy_timeout=1)


def test_opening_reads_the_whole_file_when_asked(path: Path, url: str) -> None:
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)

    with pytest.raises(StorageError, match="is damaged"):
        SqlStore.open(url, clock=FixedClock(), check=True)


NEXT = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade():
    op.execute("CREATE TABLE extra (x)")
    op.execute("INSERT INTO extra SELECT epoch FROM control")
"""
BROKEN = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "0003", "0002", None, None


def upgrade():
    op.execute("CREATE TABLE more (x)")
    op.execute("INSERT INTO nowhere VALUES (1)")
"""


def schema_with(folder: Path, *scripts: str) -> Schema:
    shutil.copytree(OURS.migrations, folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    for number, script in enumerate(scripts, start=2):
        (folder / "migrations" / "versions" / f"v000{number}_test.py").write_text(script)
    later = tuple(f"000{number}" for number in range(2, 2 + len(scripts)))
    return Schema(revisions=OURS.revisions + later, migrations=folder / "migrations")


def read(path: Path, sql: str) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchone()


def test_an_older_database_is_migrated_after_a_backup(path: Path, tmp_path: Path, clock: FixedClock) -> None:
    migrate(DatabaseFile(path), clock=clock, busy_timeout=1, schema=schema_with(tmp_path, NEXT))

    (backup,) = path.parent.glob("operator.db.backup-*")
    assert backup.name == "operator.db.backup-0001-20260301T120000Z"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert read(path, "SELECT x FROM extra") == (1,)
    assert read(path, "SELECT version_num FROM alembic_version") == ("0002",)
    assert read(backup, "SELECT version_num FROM alembic_version") == ("0001",)
    assert read(backup, "SELECT epoch FROM control") == (1,)


def test_a_migration_that_fails_leaves_the_ones_before_it(path: Path, tmp_path: Path, clock: FixedClock) -> None:
    schema = schema_with(tmp_path, NEXT, BROKEN)
    with pytest.raises(StorageError, match="no such table: nowhere"):
        migrate(DatabaseFile(path), clock=clock, busy_timeout=1, schema=schema)

    assert read(path, "SELECT version_num FROM alembic_version") == ("0002",)
    assert read(path, "SELECT count(*) FROM sqlite_master WHERE name = 'more'") == (0,)


def test_without_a_backup_nothing_is_migrated(path: Path, tmp_path: Path, clock: FixedClock) -> None:
    path.with_name("operator.db.backup-0001-20260301T120000Z").write_text("another backup of the same second")
    with pytest.raises(StorageError, match=r"could not be written .* was not migrated"):
        migrate(DatabaseFile(path), clock=clock, busy_timeout=1, schema=schema_with(tmp_path, NEXT))

    assert read(path, "SELECT version_num FROM alembic_version") == ("0001",)


def test_a_damaged_older_database_is_not_migrated(path: Path, tmp_path: Path, clock: FixedClock) -> None:
    root = read(path, "SELECT rootpage FROM sqlite_master WHERE name = 'outbox'")
    assert isinstance(root, tuple)
    with path.open("r+b") as file:
        file.seek((root[0] - 1) * 4096)
        file.write(b"\xff" * 4096)

    with pytest.raises(StorageError, match="is damaged"):
        migrate(DatabaseFile(path), clock=clock, busy_timeout=1, schema=schema_with(tmp_path, NEXT))
    assert read(path, "SELECT version_num FROM alembic_version") == ("0001",)
    assert not list(path.parent.glob("*backup*"))


def test_whoever_comes_second_waits_and_finds_it_done(path: Path, tmp_path: Path, clock: FixedClock) -> None:
    schema = schema_with(tmp_path, NEXT)
    lock = os.open(path.with_name("operator.db.migrate.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    second = threading.Thread(
        target=migrate, args=[DatabaseFile(path)], kwargs={"clock": clock, "busy_timeout": 1, "schema": schema}
    )
    second.start()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE extra (x)")
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
        connection.commit()
    os.close(lock)
    second.join(timeout=30)

    assert not second.is_alive()
    assert not list(path.parent.glob("*backup*"))


class Stop(Exception):  # noqa: N818 - it stands for a power cut
    pass


def test_a_first_start_that_is_interrupted_anywhere_leaves_nothing(tmp_path: Path, clock: FixedClock) -> None:
    file = DatabaseFile(tmp_path / "operator.db")
    file.prepare()
    interrupted = 0
    while not _upgraded(file, stop_before=interrupted):
        assert read(file.path, "SELECT count(*) FROM sqlite_master") == (0,)
        interrupted += 1

    assert interrupted > 30
    migrate(file, clock=clock, busy_timeout=1)
    assert read(file.path, "SELECT version_num FROM alembic_version") == (OURS.newest,)


def _upgraded(file: DatabaseFile, *, stop_before: int) -> bool:
    left = stop_before

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stop

    engine = build_engine(file, busy_timeout=1)
    event.listen(engine, "before_cursor_execute", count)
    try:
        with engine.connect() as connection:
            upgrade(connection, None, OURS.migrations)
    except Stop:
        return False
    return True


async def test_the_store_opens_what_it_just_made(tmp_path: Path, clock: FixedClock) -> None:
    url = f"sqlite:///{tmp_path}/new/operator.db"
    first = await asyncio.to_thread(SqlStore.open, url, clock=clock)
    await first.close()
    second = await asyncio.to_thread(SqlStore.open, url, clock=clock, check=True)
    controls = await second.read(lambda reader: reader.controls())
    await second.close()

    assert [control.scope for control in controls] == ["*"]
