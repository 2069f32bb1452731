"""Ways to forge the past: each changes one thing, as someone would who knows the tables."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import psycopg

from actions.lifecycle import STATUS_EVENTS
from actions.models import Checkpoint
from storage.chain import link
from storage.columns import from_microseconds
from storage.guards import GUARDS
from storage.row_digest import RowDigest
from storage.tables import PROPOSALS

COLUMNS = ("seq", "at", "proposal_id", "event", "actor", "via", "data", "prev", "hash")
TABLES: Final = ("audit", "proposals", "approvals", "records", "reviews", "control")
APPROVAL_IDS: Final = "SELECT id FROM approvals ORDER BY id"
_ROW: Final = RowDigest(PROPOSALS, left_out={"lease_until"})


class Editor(Protocol):
    """Somebody's connection to the tables, with nothing in its way."""

    place: str
    """The pseudo-column that tells one row of a table from another."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run one statement, with a ? for each value; return its rows."""
        ...

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns."""
        ...


class SqliteEditor:
    """See `Editor`."""

    place = "rowid"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA ignore_check_constraints = 1")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """See `Editor.execute`."""
        return self._connection.execute(sql, values).fetchall()

    def columns(self, table: str) -> list[str]:
        """See `Editor.columns`."""
        return [name for _, name, *_ in self.execute(f"PRAGMA table_info({table})")]


class PostgresqlEditor:
    """See `Editor`; for a superuser no trigger fires, but types and constraints still hold."""

    place = "ctid"

    def __init__(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        self._connection = connection
        connection.execute("SET session_replication_role = replica")

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """See `Editor.execute`."""
        cursor = self._connection.execute(sql.replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description else []

    def columns(self, table: str) -> list[str]:
        """See `Editor.columns`."""
        found = self._connection.execute(f"SELECT * FROM {table} LIMIT 0".encode()).description  # noqa: S608 - our own names
        return [str(column.name) for column in found or ()]


Forgery = Callable[[Editor, random.Random], None]


@contextmanager
def forging(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the tables of a file for editing, and cover the tracks afterwards."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for name in GUARDS:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for sql in GUARDS.values():
            connection.execute(sql)
        connection.execute("COMMIT")


def checkpoints(editor: Editor) -> list[Checkpoint]:
    """Return what the database keeps of what witnesses were told."""
    rows = editor.execute("SELECT seq, head, count, at FROM checkpoints")
    return [Checkpoint(seq=seq, head=head, count=count, at=from_microseconds(at)) for seq, head, count, at in rows]


def content(editor: Editor) -> list[object]:
    """Return all that must not be changed."""
    return [editor.execute(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES]  # noqa: S608 - our own names


def rechain(editor: Editor, first: int = 1) -> None:
    """Make the log hang together again from line *first* on, and the checkpoints in the database with it."""
    lines = editor.execute(f"SELECT {', '.join(COLUMNS)} FROM audit ORDER BY seq")  # noqa: S608 - our own names
    prev = "0" * 64
    for seq, at, proposal_id, event, actor, via, data, *_, hash_ in lines:
        if seq >= first:
            hash_ = link(seq, at, proposal_id, event, actor, via, data, prev)  # noqa: PLW2901 - the forged one
            editor.execute("UPDATE audit SET prev = ?, hash = ? WHERE seq = ?", (prev, hash_, seq))
        prev = hash_
    hash_now = "SELECT hash FROM audit WHERE audit.seq = checkpoints.seq"
    editor.execute(f"UPDATE checkpoints SET head = coalesce(({hash_now}), head)")  # noqa: S608 - our own names


def other(value: Any, chance: random.Random) -> Any:
    match value:
        case int():
            return value + chance.choice([1_000, 10_000])
        case str() if value:
            place = chance.randrange(len(value))
            return (
                value[:place] + chance.choice([chr(ord(value[place]) ^ 1), value[place] + "x", ""]) + value[place + 1 :]
            )
        case _:
            return chance.choice(["x", 7, b"\xff"])


def edit(editor: Editor, chance: random.Random, table: str, left_out: set[str]) -> None:
    column = chance.choice([name for name in editor.columns(table) if name not in left_out])
    rows = editor.execute(f'SELECT {editor.place}, "{column}" FROM {table} ORDER BY 1')  # noqa: S608 - our own names
    place, value = chance.choice(rows)
    change = f'UPDATE {table} SET "{column}" = ? WHERE {editor.place} = ?'  # noqa: S608 - our own names
    editor.execute(change, (other(value, chance), place))


def a_line(editor: Editor, chance: random.Random) -> int:
    ((last,),) = editor.execute("SELECT max(seq) FROM audit")
    return chance.randint(1, last)


def one_of(editor: Editor, chance: random.Random, ids: str) -> tuple[Any]:
    found: tuple[Any] = chance.choice(editor.execute(ids))
    return found


def edit_a_line(editor: Editor, chance: random.Random) -> None:
    edit(editor, chance, "audit", {"seq"})


def edit_a_line_and_its_hash(editor: Editor, chance: random.Random) -> None:
    seq = a_line(editor, chance)
    editor.execute("UPDATE audit SET actor = actor || 'x' WHERE seq = ?", (seq,))
    row = editor.execute(f"SELECT {', '.join(COLUMNS[:-1])} FROM audit WHERE seq = ?", (seq,))[0]  # noqa: S608 - our own names
    editor.execute("UPDATE audit SET hash = ? WHERE seq = ?", (link(*row), seq))


def delete_a_line(editor: Editor, chance: random.Random) -> None:
    editor.execute("DELETE FROM audit WHERE seq = ?", (a_line(editor, chance),))


def delete_some_lines(editor: Editor, chance: random.Random) -> None:
    first = a_line(editor, chance)
    editor.execute("DELETE FROM audit WHERE seq BETWEEN ? AND ?", (first, first + chance.randint(0, 20)))


def delete_a_line_and_close_the_gap(editor: Editor, chance: random.Random) -> None:
    seq = a_line(editor, chance)
    editor.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    editor.execute("UPDATE audit SET seq = -seq WHERE seq > ?", (seq,))
    editor.execute("UPDATE audit SET seq = -seq - 1 WHERE seq < 0")
    rechain(editor, seq)


def swap_two_lines(editor: Editor, chance: random.Random) -> None:
    one, two = a_line(editor, chance), a_line(editor, chance)
    two = two if two != one else one % 300 + 1
    for before, after in ((one, -1), (two, one), (-1, two)):
        editor.execute("UPDATE audit SET seq = ? WHERE seq = ?", (after, before))


def cut_the_end(editor: Editor, chance: random.Random) -> None:
    last = a_line(editor, chance)
    editor.execute("DELETE FROM audit WHERE seq >= ?", (last,))
    editor.execute("DELETE FROM checkpoints WHERE seq >= ?", (last,))


def rewrite_the_log(editor: Editor, chance: random.Random) -> None:
    seq = a_line(editor, chance)
    editor.execute("UPDATE audit SET at = at + 1 WHERE seq = ?", (seq,))
    rechain(editor, seq)


def insert_a_line(editor: Editor, chance: random.Random) -> None:
    seq = a_line(editor, chance)
    editor.execute("UPDATE audit SET seq = -seq WHERE seq >= ?", (seq,))
    editor.execute("UPDATE audit SET seq = -seq + 1 WHERE seq < 0")
    editor.execute(
        "INSERT INTO audit SELECT ?, at, proposal_id, 'denied', actor, via, '{}', prev, hash FROM audit WHERE seq = ?",
        (seq, seq + 1),
    )
    rechain(editor, seq)


def edit_a_proposal(editor: Editor, chance: random.Random) -> None:
    edit(editor, chance, "proposals", {"lease_until"})


def edit_a_proposal_and_its_line(editor: Editor, chance: random.Random) -> None:
    proposal_id = chance.randint(1, 60)
    editor.execute("UPDATE proposals SET reason = 'another' WHERE id = ?", (proposal_id,))
    (row,) = editor.execute(f"{_ROW.select} WHERE id = ?", (proposal_id,))
    lines = editor.execute("SELECT seq, event, data FROM audit WHERE proposal_id = ? ORDER BY seq", (proposal_id,))
    seq, data = [(seq, json.loads(data)) for seq, event, data in lines if event in STATUS_EVENTS][-1]
    sealed = json.dumps({**data, "row": _ROW.of(row)}, sort_keys=True, separators=(",", ":"))
    editor.execute("UPDATE audit SET data = ? WHERE seq = ?", (sealed, seq))
    rechain(editor, seq)


def delete_a_proposal(editor: Editor, chance: random.Random) -> None:
    editor.execute("DELETE FROM proposals WHERE id = ?", (chance.randint(1, 60),))


def insert_a_proposal(editor: Editor, chance: random.Random) -> None:
    columns = editor.columns("proposals")
    new = {"id": "999", "token": "'t'", "source_key": "'s'", "target": "'elsewhere'"}
    values = ", ".join(new.get(name, f'"{name}"') for name in columns)
    editor.execute(f"INSERT INTO proposals SELECT {values} FROM proposals WHERE id = ?", (chance.randint(1, 60),))  # noqa: S608 - our own names


def edit_an_approval(editor: Editor, chance: random.Random) -> None:
    edit(editor, chance, "approvals", {"id"})


def delete_an_approval(editor: Editor, chance: random.Random) -> None:
    editor.execute("DELETE FROM approvals WHERE id = ?", one_of(editor, chance, APPROVAL_IDS))


def insert_an_approval(editor: Editor, chance: random.Random) -> None:
    others = "proposal_id, 'eve', actor, via, params_hash, at, groups"
    insert = f"INSERT INTO approvals SELECT 9999, {others} FROM approvals WHERE id = ?"  # noqa: S608 - our own names
    editor.execute(insert, one_of(editor, chance, APPROVAL_IDS))


def edit_a_record(editor: Editor, chance: random.Random) -> None:
    editor.execute("DELETE FROM records WHERE finished_at IS NULL")  # those still being written are not sealed
    edit(editor, chance, "records", set())


def delete_a_record(editor: Editor, chance: random.Random) -> None:
    ended = one_of(editor, chance, "SELECT proposal_id FROM records WHERE finished_at IS NOT NULL ORDER BY 1")
    editor.execute("DELETE FROM records WHERE proposal_id = ?", ended)


def edit_a_review(editor: Editor, chance: random.Random) -> None:
    edit(editor, chance, "reviews", set())


def delete_a_review(editor: Editor, chance: random.Random) -> None:
    review = one_of(editor, chance, "SELECT proposal_id FROM reviews ORDER BY 1")
    editor.execute("DELETE FROM reviews WHERE proposal_id = ?", review)


def insert_a_review(editor: Editor, chance: random.Random) -> None:
    free = one_of(
        editor, chance, "SELECT id FROM proposals WHERE id NOT IN (SELECT proposal_id FROM reviews) ORDER BY 1"
    )
    others = "opened_at, opened_by, person, reason, closed_at, closed_by, comment"
    editor.execute(f"INSERT INTO reviews SELECT ?, {others} FROM reviews LIMIT 1", free)  # noqa: S608 - our own names


def edit_the_control(editor: Editor, chance: random.Random) -> None:
    edit(editor, chance, "control", set())


FORGERIES = (
    edit_a_line, edit_a_line_and_its_hash, delete_a_line, delete_some_lines, delete_a_line_and_close_the_gap,
    swap_two_lines, cut_the_end, rewrite_the_log, insert_a_line, edit_a_proposal,
    edit_a_proposal_and_its_line, delete_a_proposal, insert_a_proposal,
    edit_an_approval, delete_an_approval, insert_an_approval, edit_a_record, delete_a_record,
    edit_a_review, delete_a_review, insert_a_review, edit_the_control,
)  # fmt: skip
