"""What the database refuses by itself, whoever asks."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.database_file import DatabaseFile
from storage.engine import connect
from storage.guards import GUARDS
from storage.proposals import FIXED


@pytest.fixture
def database(lived: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "operator.db"
    shutil.copy(lived, path)
    with closing(connect(DatabaseFile(path), busy_timeout=1)) as connection:
        yield connection


def refused(database: sqlite3.Connection, sql: str) -> str:
    with pytest.raises(sqlite3.IntegrityError) as caught:
        database.execute(sql)
    return str(caught.value)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE audit SET actor = 'x' WHERE seq = 1", "the audit log is only added to"),
        ("DELETE FROM audit WHERE seq = 5", "the audit log is only added to"),
        ("DELETE FROM audit", "the audit log is only added to"),
        ("UPDATE checkpoints SET head = 'x'", "checkpoints are only added"),
        ("DELETE FROM checkpoints", "checkpoints are only added"),
        ("UPDATE approvals SET person = 'x'", "an approval is never changed"),
        ("DELETE FROM approvals", "an approval is never taken back"),
        ("DELETE FROM proposals", "a proposal is never deleted"),
        ("UPDATE proposals SET version = version - 1", "version and fence only grow"),
        ("UPDATE proposals SET fence = -1", "version and fence only grow"),
    ],
)
def test_history_cannot_be_changed(database: sqlite3.Connection, sql: str, why: str) -> None:
    assert refused(database, sql) == why


@pytest.mark.parametrize("column", sorted(FIXED))
def test_what_was_proposed_cannot_be_changed(database: sqlite3.Connection, column: str) -> None:
    sql = f"UPDATE proposals SET {column} = 9999 WHERE id = 1"  # noqa: S608 - our own names

    assert refused(database, sql) == "what was proposed is never changed"


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE proposals SET status = 'running'", "CHECK constraint failed: proposals_status"),
        ("UPDATE proposals SET attempts = 2", "CHECK constraint failed: proposals_attempts"),
        ("UPDATE proposals SET status = 'unknown'", "UNIQUE constraint failed: proposals.subject, proposals.target"),
        ("UPDATE control SET mode = 'halted'", "CHECK constraint failed: control_mode"),
        ("UPDATE control SET stopped_as = 'x'", "CHECK constraint failed: control_stopped_as"),
        ("UPDATE outbox SET state = 'x'", "CHECK constraint failed: outbox_state"),
        (
            "UPDATE records SET proposal_id = 9999 WHERE proposal_id = (SELECT min(proposal_id) FROM records)",
            "FOREIGN KEY constraint failed",
        ),
        (
            "INSERT INTO approvals SELECT id + 1000, proposal_id, person, actor, via, '', at, groups FROM approvals",
            "UNIQUE constraint failed: approvals.proposal_id, approvals.person",
        ),
        (
            "INSERT INTO approvals SELECT 9999, 9999, person, actor, via, '', at, groups FROM approvals LIMIT 1",
            "FOREIGN KEY constraint failed",
        ),
        (
            "INSERT INTO audit SELECT 9999, at, 9999, event, actor, via, data, prev, hash FROM audit WHERE seq = 1",
            "FOREIGN KEY constraint failed",
        ),
    ],
)
def test_what_cannot_be_is_not_stored(database: sqlite3.Connection, sql: str, why: str) -> None:
    assert refused(database, sql) == why


def test_every_guard_is_in_a_fresh_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall())

    assert found == GUARDS
