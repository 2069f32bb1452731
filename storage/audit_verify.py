"""`audit verify`: recompute the log, replay it, and hold the tables and the witnesses against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from actions.lifecycle import EXECUTING
from actions.models import EVERYTHING, Checkpoint
from storage.audit_replay import ControlTrail, ProposalTrail, Trail
from storage.database import Evidence, UnreadableError
from storage.databases import database_at
from storage.problems import Problems
from storage.row_digest import RowDigest
from storage.tables import CONTROL, PROPOSALS, RECORDS, REVIEWS

_LINES: Final = "SELECT seq, at, proposal_id, event, actor, via, data, prev, hash FROM audit ORDER BY seq"
_APPROVALS: Final = "SELECT proposal_id, person, actor, via, params_hash, at, groups FROM approvals ORDER BY id"
_SAVED: Final = (
    "SELECT checkpoints.seq, head, count, hash FROM checkpoints LEFT JOIN audit ON audit.seq = checkpoints.seq"
)
_SEED: Final = ("observe", 1)
_PROPOSAL: Final = RowDigest(PROPOSALS, left_out={"lease_until"})
_RECORD: Final = RowDigest(RECORDS)
_REVIEW: Final = RowDigest(REVIEWS)
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
        url: as in the configuration.
        checkpoints: what witnesses outside the database keep; without any, a log rewritten as a whole looks right.

    Raises:
        ConfigurationError: there is no such database.
        StorageError: it cannot be opened.
    """
    with database_at(url).evidence() as evidence:
        try:
            return _judged(evidence, checkpoints)
        except UnicodeError:
            # Damaged text must be reported as such, and not end the reading.
            evidence.tolerate_damaged_text()
            return _judged(evidence, checkpoints)


def _judged(evidence: Evidence, checkpoints: Sequence[Checkpoint]) -> Verification:
    problems = Problems()
    trail = Trail(checkpoints, problems)
    with evidence.snapshot():
        try:
            _judge(evidence, trail, problems)
        except UnreadableError as error:
            problems.add(f"The database could not be read to the end ({error}): parts of it are damaged or gone.")
    return Verification(rows=trail.rows, problems=problems.all(), covered_up_to=trail.covered_up_to)


def _judge(evidence: Evidence, trail: Trail, problems: Problems) -> None:
    _check_guards(evidence, problems)
    trail.follow(evidence.rows(_LINES))
    trail.finish()
    _compare_saved_checkpoints(evidence, problems)
    _compare_proposals(evidence, trail, problems)
    _compare_approvals(evidence, trail, problems)
    _compare_records(evidence, trail, problems)
    _compare_reviews(evidence, trail, problems)
    _compare_control(evidence, trail, problems)


def _check_guards(evidence: Evidence, problems: Problems) -> None:
    found = evidence.guards_found()
    for name, made_of in evidence.guards().items():
        if found.get(name) != made_of:
            state = "changed" if name in found else "gone"
            problems.add(f"The trigger {name} is {state}: somebody opened the tables for editing.")


def _compare_saved_checkpoints(evidence: Evidence, problems: Problems) -> None:
    for seq, head, count, hash_ in evidence.rows(_SAVED):
        if seq != 0 and (hash_ is None or hash_ != head or count != seq):
            problems.add(f"The checkpoint that the database keeps of line {seq} does not fit the log.")


def _compare_proposals(evidence: Evidence, trail: Trail, problems: Problems) -> None:
    place = _PROPOSAL.names.index("id")
    unseen = dict(trail.proposals)
    for row in evidence.rows(_PROPOSAL.select):
        proposal_id = row[place]
        expected = unseen.pop(proposal_id, None)
        if expected is None:
            problems.add(f"Proposal {proposal_id} has no line in the log: it was slipped into the table.")
        elif _digest(_PROPOSAL, row) != expected.row:
            problems.add(f"Proposal {proposal_id} was edited: it is not as line {expected.seq} left it.")
    for proposal_id, expected in unseen.items():
        problems.add(f"Proposal {proposal_id} is gone from its table; line {expected.seq} is the last about it.")


def _compare_approvals(evidence: Evidence, trail: Trail, problems: Problems) -> None:
    stored: dict[Any, list[tuple[Any, ...]]] = {}
    for proposal_id, *approval in evidence.rows(_APPROVALS):
        stored.setdefault(proposal_id, []).append(tuple(approval))
    for proposal_id, expected in trail.proposals.items():
        if stored.pop(proposal_id, []) != expected.approvals:
            problems.add(f"The approvals of proposal {proposal_id} are not those that the log knows.")
    for proposal_id in stored:
        problems.add(f"There are approvals of proposal {proposal_id}, which the log does not know.")


def _compare_records(evidence: Evidence, trail: Trail, problems: Problems) -> None:
    place = _RECORD.names.index("proposal_id")
    unseen = {proposal_id: one for proposal_id, one in trail.proposals.items() if one.record is not None}
    for row in evidence.rows(_RECORD.select):
        proposal_id = row[place]
        unseen.pop(proposal_id, None)
        expected = trail.proposals.get(proposal_id, ProposalTrail())
        if expected.status is EXECUTING:
            continue  # it is being written; its digest is taken when it ends
        if _digest(_RECORD, row) != expected.record:
            problems.add(f"The record of proposal {proposal_id} was edited: it is not as line {expected.seq} left it.")
    for proposal_id in unseen:
        problems.add(f"The record of proposal {proposal_id} is gone from its table.")


def _compare_reviews(evidence: Evidence, trail: Trail, problems: Problems) -> None:
    place = _REVIEW.names.index("proposal_id")
    unseen = {proposal_id: one.review for proposal_id, one in trail.proposals.items() if one.review is not None}
    for row in evidence.rows(_REVIEW.select):
        proposal_id = row[place]
        if proposal_id not in unseen:
            problems.add(f"The review of proposal {proposal_id} has no line in the log: it was slipped into the table.")
        elif _digest(_REVIEW, row) != unseen.pop(proposal_id):
            problems.add(f"The review of proposal {proposal_id} was edited: it is not as the log says.")
    for proposal_id in unseen:
        problems.add(f"The review of proposal {proposal_id} is gone from its table.")


def _compare_control(evidence: Evidence, trail: Trail, problems: Problems) -> None:
    unseen: dict[Any, ControlTrail | None] = {EVERYTHING: None, **trail.controls}
    for row in evidence.rows(_CONTROL.select):
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
