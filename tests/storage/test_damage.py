"""What cannot be read is told, and never taken for something harmless."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from actions.errors import StorageError
from actions.models import EVERYTHING, Control
from actions.ports import Reader
from storage.guards import GUARDS
from storage.store import SqlStore


def wreck(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        for name in GUARDS:
            connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        assert connection.execute(sql).rowcount > 0


@pytest.fixture
def path(lived: Path, tmp_path: Path) -> Path:
    path = tmp_path / "operator.db"
    shutil.copy(lived, path)
    return path


def read_proposals(reader: Reader) -> object:
    return reader.proposals()


def read_audit(reader: Reader) -> object:
    return reader.audit()


def read_records(reader: Reader) -> object:
    return [reader.record(proposal_id) for proposal_id in range(1, 70)]


@pytest.mark.parametrize(
    ("sql", "query"),
    [
        ("UPDATE proposals SET risks = '['", read_proposals),
        ("UPDATE proposals SET impact = '[[1]]'", read_proposals),
        ("UPDATE proposals SET pins = x'ff'", read_proposals),
        ("UPDATE proposals SET urgency = 'soonish'", read_proposals),
        ("UPDATE proposals SET status = 'halted'", read_proposals),
        ("UPDATE proposals SET expires_at = 'soon'", read_proposals),
        ("UPDATE proposals SET expires_at = 1 << 62", read_proposals),
        ("UPDATE audit SET data = '?' WHERE seq = 5", read_audit),
        ("UPDATE audit SET via = '?' WHERE seq = 5", read_audit),
        ("UPDATE records SET steps = '{}'", read_records),
    ],
)
async def test_a_damaged_row_is_told_and_not_guessed(
    sql_store: SqlStore, path: Path, sql: str, query: Callable[[Reader], object]
) -> None:
    wreck(path, sql)

    with pytest.raises(StorageError, match="A row in the database is damaged"):
        await sql_store.read(query)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE control SET mode = 'EXECUTE'",
        "UPDATE control SET mode = x'65786563757465'",
        "UPDATE control SET epoch = 'many'",
        "UPDATE control SET stopped_as = ''",
        "UPDATE control SET changed_at = 'once'",
        "UPDATE control SET changed_at = 1 << 62",
        "DELETE FROM control",
    ],
)
async def test_a_control_row_that_cannot_be_read_means_observe(sql_store: SqlStore, path: Path, sql: str) -> None:
    wreck(path, sql)

    observe = [Control(scope=EVERYTHING), Control(scope="etcd")]
    assert await sql_store.read(lambda reader: [reader.control(EVERYTHING), reader.control("etcd")]) == observe
    assert await sql_store.write(lambda tx: [tx.lock_control(EVERYTHING), tx.lock_control("etcd")]) == observe
    assert all(row == Control(scope=row.scope) for row in await sql_store.read(lambda reader: reader.controls()))


async def test_everything_pending_is_of_an_earlier_epoch_once_the_control_is_gone(
    sql_store: SqlStore, path: Path
) -> None:
    wreck(path, "DELETE FROM control")

    found = await sql_store.read(lambda reader: reader.pending_of_earlier_epochs(1_000))

    with closing(sqlite3.connect(path)) as connection:
        pending = connection.execute(
            "SELECT count(*) FROM proposals WHERE status IN ('proposed', 'validated', 'approved')"
        ).fetchone()
    assert (len(found),) == pending
    assert len(found) > 10


async def test_a_damaged_diagnosis_is_told(sql_store: SqlStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO diagnoses VALUES (1, 's', 'etcd', 't', 'rule:x', '{}', 0, 0, NULL, NULL)")

    with pytest.raises(StorageError, match="A row in the database is damaged"):
        await sql_store.read(lambda reader: reader.diagnosis(1))
