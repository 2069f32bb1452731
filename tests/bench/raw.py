"""The floor: the standard library's sqlite3 writing the same rows as durably, and doing nothing else.

No rule is checked, nothing is read, hashed or handed to another thread; the rows are those of one real action, in a
database with the same tables, indices and triggers.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.history import with_lives
from tests.bench.rounds import seconds

Values = Mapping[str, Any]
_MOVED: Final = (
    "UPDATE proposals SET status = :status, version = version + 1, detail = :detail "
    "WHERE id = :id AND status = :before RETURNING lease_until"
)
_SHOWN: Final = (
    "INSERT INTO outbox (kind, ref, version, payload, attempts, due_at, created_at, error, state) "
    "VALUES (:kind, :ref, 1, '{}', 0, :at, :at, '', 'due') ON CONFLICT (kind, ref) WHERE state != 'delivered' "
    "DO UPDATE SET version = version + 1, due_at = excluded.due_at, attempts = 0, error = '', state = 'due'"
)
_UNTOUCHED: Final[Values] = {
    **dict.fromkeys(("approved_at", "approval_expires_at", "owner", "lease_until", "outcome")),
    "status": "proposed",
    "version": 1,
    "attempts": 0,
    "fence": 0,
    "detail": "",
}
_STEPS: Final = (
    ("proposed", "validated"),
    ("validated", "approved"),
    ("approved", "executing"),
    ("executing", "completed"),
)


class Raw:
    """One connection, set up as the store's own."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        for setting in ("journal_mode = wal", "synchronous = full", "foreign_keys = 1", "temp_store = memory"):
            self._connection.execute(f"PRAGMA {setting}").fetchall()
        self._templates = {table: self._template(table) for table in ("proposals", "approvals", "records", "audit")}
        self._inserts = {table: _insert(table, row) for table, row in self._templates.items()}
        self._seq: int = self._templates["audit"]["seq"]
        self._id: int = self._templates["proposals"]["id"]

    @classmethod
    def over(cls, path: Path) -> "Raw":
        """Make a database at *path* in which one action has run, and open it."""
        return cls(with_lives(path, 1))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def commits(self, count: int) -> Iterator[float]:
        """Yield the seconds that one line of the audit log takes to become durable."""

        def one() -> None:
            with self._transaction():
                self._audit()

        for _ in range(count):
            yield seconds(one)

    def lifecycles(self, count: int) -> float:
        """Return how many actions a second are proposed, validated, approved, claimed and ended: five transactions."""

        def all_of_them() -> None:
            for _ in range(count):
                proposal_id = self.propose()
                for before, after in _STEPS:
                    self._step(proposal_id, before, after)

        return count / seconds(all_of_them)

    def propose(self) -> int:
        """Add a proposal and return its number."""
        with self._transaction():
            return self._propose()

    def propose_all(self, count: int) -> range:
        """Add proposals, all at once, and return their numbers."""
        with self._transaction():
            for _ in range(count):
                self._propose()
        return range(self._id - count + 1, self._id + 1)

    def approvals(self, count: int) -> float:
        """Return how many approvals a second are committed, one by one."""
        ids = [self.propose() for _ in range(count)]
        for proposal_id in ids:
            self._step(proposal_id, "proposed", "validated")

        def all_of_them() -> None:
            for proposal_id in ids:
                self._step(proposal_id, "validated", "approved")

        return count / seconds(all_of_them)

    def cancellations(self, ids: Sequence[int], *, at_once: int) -> float:
        """Return the seconds that cancelling all of them takes, *at_once* in each transaction."""

        def all_of_them() -> None:
            for first in range(0, len(ids), at_once):
                with self._transaction():
                    for proposal_id in ids[first : first + at_once]:
                        self._move(proposal_id, "proposed", "cancelled")

        return seconds(all_of_them)

    def _propose(self) -> int:
        self._id += 1
        own = dict.fromkeys(("token", "source_key", "target"), f"{self._id}-bench")
        self._insert("proposals", {**own, **_UNTOUCHED, "id": self._id})
        self._audit()
        return self._id

    def _step(self, proposal_id: int, before: str, after: str) -> None:
        with self._transaction():
            if after == "approved":
                self._insert("approvals", {"id": None, "proposal_id": proposal_id})
            if after == "executing":
                self._insert("records", {"proposal_id": proposal_id, "token": f"{proposal_id}-bench"})
            if after == "completed":
                self._connection.execute("UPDATE records SET result = 'ok' WHERE proposal_id = ?", (proposal_id,))
                self._show("result", proposal_id)
            self._move(proposal_id, before, after)

    def _move(self, proposal_id: int, before: str, after: str) -> None:
        guarded = {"id": proposal_id, "before": before, "status": after, "detail": "as it was said"}
        if self._connection.execute(_MOVED, guarded).fetchone() is None:
            raise ValueError(f"{proposal_id} is not {before}")
        self._audit()
        self._show("card", proposal_id)

    def _audit(self) -> None:
        self._seq += 1
        self._insert("audit", {"seq": self._seq})

    def _show(self, kind: str, proposal_id: int) -> None:
        self._connection.execute(_SHOWN, {"kind": kind, "ref": str(proposal_id), "at": self._seq})

    def _insert(self, table: str, own: Values) -> None:
        self._connection.execute(self._inserts[table], {**self._templates[table], **own})

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        yield
        self._connection.execute("COMMIT")

    def _template(self, table: str) -> Values:
        cursor = self._connection.execute(f"SELECT * FROM {table} ORDER BY rowid DESC LIMIT 1")  # noqa: S608 - our own names
        return dict(zip((name for name, *_ in cursor.description), cursor.fetchone(), strict=True))


def with_pending(path: Path, count: int) -> Path:
    """Make a database at *path* in which one action has run, and *count* are proposed."""
    with closing(Raw.over(path)) as raw:
        raw.propose_all(count)
    return path


def _insert(table: str, row: Values) -> str:
    names = ", ".join(f'"{name}"' for name in row)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in row)})"  # noqa: S608 - our own names
