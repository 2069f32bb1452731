"""`audit verify`: recompute the log, replay it, and hold the tables and the witnesses against it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from actions.errors import ConfigurationError, StorageError
from actions.lifecycle import EXECUTING
from actions.models import EVERYTHING, Checkpoint
from storage.audit_replay import ControlTrail, ProposalTrail, Trail
from storage.database_file import DatabaseFile
from storage.failures import storage_error
from storage.guards import GUARDS
from storage.problems import Problems
from storage.row_digest import RowDigest
from storage.tables import CONTROL, PROPOSALS, RECORDS

_LINES: Final = "SELECT seq, at, proposal_id, event, actor, via, data, prev, hash FROM audit ORDER BY seq"
_APPROVALS: Final = "SELECT proposal_id, person, actor, via, params_hash, at FROM approvals ORDER BY id"
_SAVED: Final = "SELECT seq, head, count, at FROM checkpoints"
_TRIGGERS: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
_SEED: Final = ("observe", 1)
_PROPOSAL: Final = RowDigest(PROPOSALS, left_out={"lease_until"})
_RECORD: Final = RowDigest(RECORDS)
_CONTROL: Final = RowDigest(CONTROL, times={"changed_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `audit verify` found."""

    rows: int
    """Lines in the log."""
    problems: tuple[str, ...]
    """Sentences, each with the line or the proposal that it is about; none if all is well."""
    covered_up_to: int
    """The last line that a witness vouches for; later ones could have been rewritten as a whole."""

    @property
    def ok(self) -> bool:
        """Return whether nothing was found."""
        return not self.problems

    @property
    def uncovered_rows(self) -> int:
        """Return how many lines no witness has seen yet."""
        return max(0, self.rows - self.covered_up_to)


def verify(url: str, checkpoints: Sequence[Checkpoint]) -> Verification:
    """Read the database that *url* names, which may be a read-only copy, and judge it. Blocks; changes nothing.

    Args:
        url: `sqlite:///…`, as in the configuration.
        checkpoints: what witnesses outside the database keep; without any, a log rewritten as a whole looks right.

    Raises:
        ConfigurationError: there is no such database.
        StorageError: it cannot be opened.
    """
    with closing(_open(DatabaseFile.of(url))) as connection:
        try:
            return _judged(connection, checkpoints)
        except UnicodeError:
            # Damaged text must be reported as such, and not end the reading; the tolerant way is slower.
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            return _judged(connection, checkpoints)


def _judged(connection: sqlite3.Connection, checkpoints: Sequence[Checkpoint]) -> Verification:
    problems = Problems()
    trail = Trail(checkpoints, problems)
    connection.execute("BEGIN")
    try:
        _judge(connection, trail, problems)
    except sqlite3.Error as error:
        if "decode" in str(error):
            raise UnicodeError from error
        problems.add(f"The database could not be read to the end ({error}): parts of it are damaged or gone.")
    finally:
        connection.execute("ROLLBACK")
    return Verification(rows=trail.rows, problems=problems.all(), covered_up_to=trail.covered_up_to)


def _judge(connection: sqlite3.Connection, trail: Trail, problems: Problems) -> None:
    _check_guards(connection, problems)
    trail.follow(connection.execute(_LINES))
    trail.finish()
    _compare_saved_checkpoints(connection, problems)
    _compare_proposals(connection, trail, problems)
    _compare_approvals(connection, trail, problems)
    _compare_records(connection, trail, problems)
    _compare_control(connection, trail, problems)


def _open(file: DatabaseFile) -> sqlite3.Connection:
    if not file.path.is_file():
        raise ConfigurationError(f"There is no database at {file.path}. Check `database` in the configuration.")
    try:
        return _connect(f"{file.path.as_uri()}?mode=ro")
    except sqlite3.Error as error:
        if _has_content(file.companion("-wal")):
            raise StorageError(
                f"The database {file.path} cannot be opened ({error}): its newest changes are in {file.path.name}-wal. "
                "Copy both files to a folder that you may write to, and verify them there."
            ) from error
    try:
        # Nobody writes to a copy in a folder that cannot be written to, so it may be read without locks.
        return _connect(f"{file.path.as_uri()}?mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise storage_error(error, file.path) from error


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _check_guards(connection: sqlite3.Connection, problems: Problems) -> None:
    found = dict(connection.execute(_TRIGGERS).fetchall())
    for name, sql in GUARDS.items():
        if found.get(name) != sql:
            state = "changed" if name in found else "gone"
            problems.add(f"The trigger {name} is {state}: somebody opened the tables for editing.")


def _compare_saved_checkpoints(connection: sqlite3.Connection, problems: Problems) -> None:
    for seq, head, count, _ in connection.execute(_SAVED):
        if seq == 0:
            continue
        line = connection.execute("SELECT hash FROM audit WHERE seq = ?", (seq,)).fetchone()
        if line is None or line[0] != head or count != seq:
            problems.add(f"The checkpoint that the database keeps of line {seq} does not fit the log.")


def _compare_proposals(connection: sqlite3.Connection, trail: Trail, problems: Problems) -> None:
    place = _PROPOSAL.names.index("id")
    unseen = dict(trail.proposals)
    for row in connection.execute(_PROPOSAL.select):
        proposal_id = row[place]
        expected = unseen.pop(proposal_id, None)
        if expected is None:
            problems.add(f"Proposal {proposal_id} has no line in the log: it was slipped into the table.")
        elif _digest(_PROPOSAL, row) != expected.row:
            problems.add(f"Proposal {proposal_id} was edited: it is not as line {expected.seq} left it.")
    for proposal_id, expected in unseen.items():
        problems.add(f"Proposal {proposal_id} is gone from its table; line {expected.seq} is the last about it.")


def _compare_approvals(connection: sqlite3.Connection, trail: Trail, problems: Problems) -> None:
    stored: dict[Any, list[tuple[Any, ...]]] = {}
    for proposal_id, *approval in connection.execute(_APPROVALS):
        stored.setdefault(proposal_id, []).append(tuple(approval))
    for proposal_id, expected in trail.proposals.items():
        if stored.pop(proposal_id, []) != expected.approvals:
            problems.add(f"The approvals of proposal {proposal_id} are not those that the log knows.")
    for proposal_id in stored:
        problems.add(f"There are approvals of proposal {proposal_id}, which the log does not know.")


def _compare_records(connection: sqlite3.Connection, trail: Trail, problems: Problems) -> None:
    place = _RECORD.names.index("proposal_id")
    unseen = {proposal_id: one for proposal_id, one in trail.proposals.items() if one.record is not None}
    for row in connection.execute(_RECORD.select):
        proposal_id = row[place]
        unseen.pop(proposal_id, None)
        expected = trail.proposals.get(proposal_id, ProposalTrail())
        if expected.status is EXECUTING:
            continue  # it is being written; its digest is taken when it ends
        if _digest(_RECORD, row) != expected.record:
            problems.add(f"The record of proposal {proposal_id} was edited: it is not as line {expected.seq} left it.")
    for proposal_id in unseen:
        problems.add(f"The record of proposal {proposal_id} is gone from its table.")


def _compare_control(connection: sqlite3.Connection, trail: Trail, problems: Problems) -> None:
    unseen: dict[Any, ControlTrail | None] = {EVERYTHING: None, **trail.controls}
    for row in connection.execute(_CONTROL.select):
        values = dict(zip(_CONTROL.names, row, strict=True))
        scope = values["scope"]
        if scope not in unseen:
            problems.add(f"The control row of {scope!r} has no line in the log: it was slipped into the table.")
        elif not _as_changed(row, values, expected := unseen.pop(scope)):
            source = "the first start" if expected is None else f"line {expected.seq}"
            problems.add(f"The control row of {scope!r} was edited: it is not as {source} left it.")
    for scope in unseen:
        problems.add(f"The control row of {scope!r} is gone from its table.")


def _as_changed(row: tuple[Any, ...], values: dict[str, Any], expected: ControlTrail | None) -> bool:
    if expected is None:
        return (values["mode"], values["epoch"]) == _SEED
    said = expected.data
    return (
        (values["mode"], values["epoch"], values["changed_by"]) == (said.get("mode"), said.get("epoch"), expected.actor)
        and values["reason"] == said.get("reason", values["reason"])
        and ("row" not in said or _digest(_CONTROL, row) == said["row"])
    )


def _digest(kind: RowDigest, row: tuple[Any, ...]) -> str:
    try:
        return kind.of(row)
    except (TypeError, ValueError) as error:
        return f"none: {error}"
