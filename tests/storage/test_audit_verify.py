"""Whoever changes the past is found out: in the log, in the tables, or by what a witness remembers."""

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actions.errors import ConfigurationError, StorageError
from actions.models import Checkpoint, SafetyMode
from storage.audit_verify import Verification, verify
from storage.problems import MOST
from storage.store import SqlStore
from tests.factories import START, FixedClock
from tests.storage.forgeries import FORGERIES, Forgery, SqliteEditor, checkpoints, content, forging, rechain
from tests.storage.scripts import Script

SEEDS = 5
"""`tests.prove.tampering` tries many more."""


@pytest.fixture
def path(lived: Path, tmp_path: Path) -> Path:
    path = tmp_path / "operator.db"
    shutil.copy(lived, path)
    return path


def witnessed_in(path: Path) -> list[Checkpoint]:
    with closing(sqlite3.connect(path)) as connection:
        return checkpoints(SqliteEditor(connection))


def judged(path: Path, witnessed: list[Checkpoint] | None = None) -> Verification:
    return verify(f"sqlite:///{path}", witnessed_in(path) if witnessed is None else witnessed)


def execute(path: Path, sql: str) -> None:
    with forging(path) as connection:
        assert connection.execute(sql).rowcount > 0


def test_an_honest_log_is_found_in_order(path: Path) -> None:
    found = judged(path)

    assert found.ok
    assert found.problems == ()
    assert found.rows > 250
    assert found.covered_up_to == found.rows
    assert found.uncovered_rows == 0


def test_without_a_witness_nothing_is_covered(path: Path) -> None:
    found = judged(path, [])

    assert found.ok
    assert (found.covered_up_to, found.uncovered_rows) == (0, found.rows)


async def test_lines_after_the_last_checkpoint_are_not_covered_yet(path: Path, clock: FixedClock) -> None:
    store = await asyncio.to_thread(SqlStore.open, f"sqlite:///{path}", clock=clock)
    witnessed = [await store.read(lambda reader: reader.audit_head(START))]
    await Script(store, clock).set_mode(SafetyMode.EXECUTE)
    found = await asyncio.to_thread(judged, path, witnessed)  # while it is open and in use
    await store.close()

    assert found.ok
    assert found.uncovered_rows == 1
    assert found.covered_up_to == witnessed[0].seq


def test_every_checkpoint_of_every_witness_is_checked(path: Path) -> None:
    (last,) = witnessed_in(path)
    with closing(sqlite3.connect(path)) as connection:
        (head,) = connection.execute("SELECT hash FROM audit WHERE seq = 10").fetchone()
    empty = Checkpoint(seq=0, head="0" * 64, count=0, at=START)
    early = Checkpoint(seq=10, head=head, count=10, at=START)
    forged = Checkpoint(seq=20, head=head, count=20, at=START)

    assert judged(path, [last, early, empty, early]).ok
    assert judged(path, [early]).covered_up_to == 10
    found = judged(path, [forged, last, early])
    assert found.problems == (
        "Up to line 20 the log is not the one a witness saw (2026-03-01 12:00 UTC): it was rewritten.",
    )
    assert found.covered_up_to == last.seq


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (
            "UPDATE audit SET actor = 'cli:eve@h' WHERE seq = 7",
            "Line 7 was changed: its hash does not fit what it says.",
        ),
        ("DELETE FROM audit WHERE seq = 7", "Before line 8, line 7 is missing."),
        ("DELETE FROM audit WHERE seq BETWEEN 7 AND 9", "Before line 10, lines 7 to 9 are missing."),
        ("UPDATE audit SET seq = -1 WHERE seq = 1", "Line -1 stands where line 1 belongs."),
        ("UPDATE audit SET data = x'00ff' WHERE seq = 5", "Line 5 was changed: its hash does not fit what it says."),
        ("UPDATE audit SET data = CAST(x'ff' AS TEXT) WHERE seq = 5", "Line 5 was changed: its hash does not fit"),
        ("UPDATE audit SET data = '{}' WHERE seq = 5", "Line 5 (validated) cannot be understood: it lacks 'row'."),
        (
            "UPDATE audit SET event = 'completed' WHERE seq = 5",
            "Line 5 (completed) cannot be understood: completed from",
        ),
        (
            "UPDATE audit SET proposal_id = 999 WHERE event = 'denied'",
            "is about proposal 999, which was never proposed.",
        ),
        ("UPDATE proposals SET reason = 'x' WHERE id = 3", "Proposal 3 was edited: it is not as line"),
        ("UPDATE proposals SET pins = '[' WHERE id = 3", "Proposal 3 was edited: it is not as line"),
        ("UPDATE proposals SET expires_at = 'soon' WHERE id = 3", "Proposal 3 was edited: it is not as line"),
        ("UPDATE proposals SET expires_at = 1 << 62 WHERE id = 3", "Proposal 3 was edited: it is not as line"),
        ("UPDATE proposals SET id = 999 WHERE id = 3", "Proposal 999 has no line in the log"),
        ("DELETE FROM proposals WHERE id = 3", "Proposal 3 is gone from its table; line"),
        ("UPDATE approvals SET person = 'eve' WHERE id = 1", "are not those that the log knows."),
        ("UPDATE approvals SET proposal_id = 999 WHERE id = 1", "There are approvals of proposal 999, which"),
        ("UPDATE records SET result = 'fine'", "was edited: it is not as line"),
        ("DELETE FROM records WHERE fence = 1", "is gone from its table."),
        ("UPDATE reviews SET closed_at = 1, closed_by = 'cli:eve@h'", "The review of proposal"),
        ("UPDATE reviews SET comment = 'all is well' WHERE closed_at IS NOT NULL", "was edited: it is not as the log"),
        ("DELETE FROM reviews", "is gone from its table."),
        (
            "UPDATE reviews SET proposal_id = 3 WHERE proposal_id = (SELECT MAX(proposal_id) FROM reviews)",
            "has no line in the log: it was slipped",
        ),
        (
            "UPDATE control SET mode = 'execute' WHERE scope = '*'",
            "The control row of '*' was edited: it is not as line",
        ),
        ("UPDATE control SET stopped_as = 'user'", "The control row of '*' was edited: it is not as line"),
        ("UPDATE control SET scope = 'tikv' WHERE scope = 'etcd'", "The control row of 'tikv' has no line in the log"),
        ("DELETE FROM control WHERE scope = '*'", "The control row of '*' is gone from its table."),
        ("UPDATE checkpoints SET head = 'x'", "does not fit the log."),
    ],
)
def test_what_was_changed_is_named(path: Path, sql: str, problem: str) -> None:
    witnessed = witnessed_in(path)
    execute(path, sql)

    assert any(problem in sentence for sentence in judged(path, witnessed).problems)


def test_a_fresh_database_must_observe(migrated: Path, tmp_path: Path) -> None:
    path = tmp_path / "fresh.db"
    shutil.copy(migrated, path)
    assert judged(path).ok
    execute(path, "UPDATE control SET mode = 'execute'")

    assert judged(path).problems == ("The control row of '*' was edited: it is not as the first start left it.",)


def test_a_missing_or_changed_trigger_is_told(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER audit_is_not_edited")
        connection.execute("DROP TRIGGER audit_is_not_deleted")
        connection.execute("CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT 1; END")

    assert judged(path).problems == (
        "The trigger audit_is_not_edited is gone: somebody opened the tables for editing.",
        "The trigger audit_is_not_deleted is changed: somebody opened the tables for editing.",
    )


def test_a_log_rewritten_as_a_whole_is_found_only_by_the_witness(path: Path) -> None:
    witnessed = witnessed_in(path)
    with forging(path) as connection:
        connection.execute("UPDATE audit SET actor = 'slack:T1/UEVE' WHERE event = 'denied'")
        connection.execute("DELETE FROM checkpoints")
        rechain(SqliteEditor(connection))

    assert judged(path, []).ok
    (problem,) = judged(path, witnessed).problems
    assert problem.endswith("it was rewritten.")


def test_an_end_that_was_cut_off_is_found(path: Path) -> None:
    witnessed = witnessed_in(path)
    execute(path, f"DELETE FROM audit WHERE seq > {witnessed[0].seq - 1}")  # noqa: S608 - our own names

    last = witnessed[0].seq
    assert (
        f"The log ends with line {last - 1}, but a witness saw line {last}: the end was cut off."
        in judged(path, witnessed).problems
    )


def test_a_thousand_problems_are_listed_and_the_rest_counted(path: Path) -> None:
    with forging(path) as connection:
        connection.execute("UPDATE audit SET seq = seq * 2 + 1000000, prev = 'x', hash = 'y', data = '?'")
        connection.execute("UPDATE proposals SET reason = 'x'")
        connection.execute("UPDATE approvals SET person = 'x' || id")

    problems = judged(path).problems
    assert len(problems) == MOST + 1
    assert problems[-1].startswith("… and ")


@pytest.mark.parametrize("table", ["audit", "proposals", "approvals", "records", "reviews", "control", "checkpoints"])
def test_a_missing_table_is_a_problem_and_no_crash(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_hidden")

    assert any("could not be read to the end" in problem for problem in judged(path, []).problems)


def test_a_damaged_page_is_a_problem_and_no_crash(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'approvals'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)

    assert any("could not be read to the end" in problem for problem in judged(path, []).problems)


def test_a_copy_that_cannot_be_written_to_is_verified(path: Path) -> None:
    path.chmod(0o444)
    path.parent.chmod(0o555)
    found = judged(path)
    path.parent.chmod(0o755)

    assert found.ok


def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no database at"):
        verify(f"sqlite:///{tmp_path}/none.db", [])


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database" * 1_000)

    with pytest.raises(StorageError, match="no database at all"):
        verify(f"sqlite:///{tmp_path}/text.db", [])


@pytest.mark.parametrize("forgery", FORGERIES)
def test_every_forgery_is_found(lived: Path, tmp_path: Path, forgery: Forgery) -> None:
    missed = []
    witnessed = witnessed_in(lived)
    for seed in range(SEEDS):
        path = tmp_path / f"{seed}.db"
        shutil.copy(lived, path)
        with forging(path) as connection:
            editor = SqliteEditor(connection)
            before = content(editor)
            forgery(editor, random.Random(f"{forgery.__name__}:{seed}"))
            assert content(editor) != before
        if judged(path, witnessed).ok:
            missed.append(seed)

    assert missed == []
