"""Ways to forge the past: each changes one thing, as someone would who knows the tables."""

import random
import sqlite3
from collections.abc import Callable
from typing import Any

from storage.chain import link

COLUMNS = ("seq", "at", "proposal_id", "event", "actor", "via", "data", "prev", "hash")

Forgery = Callable[[sqlite3.Connection, random.Random], None]


def rechain(connection: sqlite3.Connection, first: int = 1) -> None:
    """Make the log hang together again from line *first* on."""
    lines = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM audit ORDER BY seq").fetchall()  # noqa: S608 - our own names
    prev = "0" * 64
    for seq, at, proposal_id, event, actor, via, data, *_, hash_ in lines:
        if seq >= first:
            hash_ = link(seq, at, proposal_id, event, actor, via, data, prev)  # noqa: PLW2901 - the forged one
            connection.execute("UPDATE audit SET prev = ?, hash = ? WHERE seq = ?", (prev, hash_, seq))
        prev = hash_


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


def edit(connection: sqlite3.Connection, chance: random.Random, table: str, left_out: set[str]) -> None:
    columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})") if name not in left_out]
    column = chance.choice(columns)
    rows = connection.execute(f'SELECT rowid, "{column}" FROM {table}').fetchall()  # noqa: S608 - our own names
    rowid, value = chance.choice(rows)
    connection.execute("PRAGMA ignore_check_constraints = 1")
    connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (other(value, chance), rowid))  # noqa: S608 - our own names


def a_line(connection: sqlite3.Connection, chance: random.Random) -> int:
    (last,) = connection.execute("SELECT max(seq) FROM audit").fetchone()
    return chance.randint(1, last)


def edit_a_line(connection: sqlite3.Connection, chance: random.Random) -> None:
    edit(connection, chance, "audit", {"seq"})


def edit_a_line_and_its_hash(connection: sqlite3.Connection, chance: random.Random) -> None:
    seq = a_line(connection, chance)
    connection.execute("UPDATE audit SET actor = actor || 'x' WHERE seq = ?", (seq,))
    row = connection.execute(f"SELECT {', '.join(COLUMNS[:-1])} FROM audit WHERE seq = ?", (seq,)).fetchone()  # noqa: S608 - our own names
    connection.execute("UPDATE audit SET hash = ? WHERE seq = ?", (link(*row), seq))


def delete_a_line(connection: sqlite3.Connection, chance: random.Random) -> None:
    connection.execute("DELETE FROM audit WHERE seq = ?", (a_line(connection, chance),))


def delete_some_lines(connection: sqlite3.Connection, chance: random.Random) -> None:
    first = a_line(connection, chance)
    connection.execute("DELETE FROM audit WHERE seq BETWEEN ? AND ?", (first, first + chance.randint(0, 20)))


def delete_a_line_and_close_the_gap(connection: sqlite3.Connection, chance: random.Random) -> None:
    seq = a_line(connection, chance)
    connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    connection.execute("UPDATE audit SET seq = -seq WHERE seq > ?", (seq,))
    connection.execute("UPDATE audit SET seq = -seq - 1 WHERE seq < 0")
    rechain(connection, seq)


def swap_two_lines(connection: sqlite3.Connection, chance: random.Random) -> None:
    one, two = a_line(connection, chance), a_line(connection, chance)
    two = two if two != one else one % 300 + 1
    for before, after in ((one, -1), (two, one), (-1, two)):
        connection.execute("UPDATE audit SET seq = ? WHERE seq = ?", (after, before))


def cut_the_end(connection: sqlite3.Connection, chance: random.Random) -> None:
    connection.execute("DELETE FROM audit WHERE seq >= ?", (a_line(connection, chance),))


def rewrite_the_log(connection: sqlite3.Connection, chance: random.Random) -> None:
    seq = a_line(connection, chance)
    connection.execute("UPDATE audit SET at = at + 1 WHERE seq = ?", (seq,))
    rechain(connection, seq)


def insert_a_line(connection: sqlite3.Connection, chance: random.Random) -> None:
    seq = a_line(connection, chance)
    connection.execute("UPDATE audit SET seq = -seq WHERE seq >= ?", (seq,))
    connection.execute("UPDATE audit SET seq = -seq + 1 WHERE seq < 0")
    connection.execute(
        "INSERT INTO audit SELECT ?, at, proposal_id, 'denied', actor, via, '{}', prev, hash FROM audit WHERE seq = ?",
        (seq, seq + 1),
    )
    rechain(connection, seq)


def edit_a_proposal(connection: sqlite3.Connection, chance: random.Random) -> None:
    edit(connection, chance, "proposals", {"lease_until"})


def delete_a_proposal(connection: sqlite3.Connection, chance: random.Random) -> None:
    connection.execute("DELETE FROM proposals WHERE id = ?", (chance.randint(1, 60),))


def insert_a_proposal(connection: sqlite3.Connection, chance: random.Random) -> None:
    columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(proposals)")]
    new = {"id": "999", "token": "'t'", "source_key": "'s'", "target": "'elsewhere'"}
    values = ", ".join(new.get(name, f'"{name}"') for name in columns)
    connection.execute(f"INSERT INTO proposals SELECT {values} FROM proposals WHERE id = ?", (chance.randint(1, 60),))  # noqa: S608 - our own names


def edit_an_approval(connection: sqlite3.Connection, chance: random.Random) -> None:
    edit(connection, chance, "approvals", {"id"})


def delete_an_approval(connection: sqlite3.Connection, chance: random.Random) -> None:
    rows = connection.execute("SELECT id FROM approvals").fetchall()
    connection.execute("DELETE FROM approvals WHERE id = ?", chance.choice(rows))


def insert_an_approval(connection: sqlite3.Connection, chance: random.Random) -> None:
    rows = connection.execute("SELECT id FROM approvals").fetchall()
    others = "proposal_id, 'eve', actor, via, params_hash, at, groups"
    insert = f"INSERT INTO approvals SELECT NULL, {others} FROM approvals WHERE id = ?"  # noqa: S608 - our own names
    connection.execute(insert, chance.choice(rows))


def edit_a_record(connection: sqlite3.Connection, chance: random.Random) -> None:
    connection.execute("DELETE FROM records WHERE finished_at IS NULL")  # those still being written are not sealed
    edit(connection, chance, "records", set())


def delete_a_record(connection: sqlite3.Connection, chance: random.Random) -> None:
    rows = connection.execute("SELECT proposal_id FROM records WHERE finished_at IS NOT NULL").fetchall()
    connection.execute("DELETE FROM records WHERE proposal_id = ?", chance.choice(rows))


def edit_the_control(connection: sqlite3.Connection, chance: random.Random) -> None:
    edit(connection, chance, "control", set())


FORGERIES = (
    edit_a_line, edit_a_line_and_its_hash, delete_a_line, delete_some_lines, delete_a_line_and_close_the_gap,
    swap_two_lines, cut_the_end, rewrite_the_log, insert_a_line, edit_a_proposal, delete_a_proposal, insert_a_proposal,
    edit_an_approval, delete_an_approval, insert_an_approval, edit_a_record, delete_a_record, edit_the_control,
)  # fmt: skip
