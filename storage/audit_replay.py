"""Reading the audit log from the first line: whether it hangs together, and what it says the tables must hold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from actions.lifecycle import STATUS_EVENTS, replay
from actions.models import ActionStatus, Checkpoint
from actions.safety import EXPLAINED
from storage.chain import GENESIS, link
from storage.columns import json_text
from storage.problems import Problems

CONTROL_EVENTS: Final = frozenset({"mode_change", "kill_switch", EXPLAINED})
_APPROVALS: Final = frozenset({"approval", "approved", "break_glass"})

Line = tuple[Any, Any, Any, Any, Any, Any, Any, Any, Any]
"""seq, at, proposal_id, event, actor, via, data, prev, hash; or whatever somebody put there."""


@dataclass(slots=True)
class ProposalTrail:
    """What the log says of one proposal."""

    status: ActionStatus | None = None
    version: int = 0
    row: str | None = None
    """The digest of its row after the last transition."""
    record: str | None = None
    """The digest of its attempt, once that ended."""
    review: str | None = None
    """The digest of its review, as it was opened or closed last."""
    seq: int = 0
    approvals: list[tuple[Any, ...]] = field(default_factory=list)
    """Person, actor, via, parameters, time, groups: as in the approvals' rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTrail:
    """What the log says of one control row."""

    seq: int
    actor: str
    data: Mapping[str, Any]


class Trail:
    """Follows the log, line by line, against the checkpoints of witnesses."""

    def __init__(self, checkpoints: Iterable[Checkpoint], problems: Problems) -> None:
        self.rows = 0
        self.covered_up_to = 0
        self.proposals: dict[Any, ProposalTrail] = {}
        self.controls: dict[str, ControlTrail] = {}
        self._problems = problems
        self._last = 0
        self._head = GENESIS
        self._checkpoints = sorted(checkpoints, key=lambda checkpoint: -checkpoint.seq)
        self._check_checkpoints()

    def follow(self, lines: Iterable[Line]) -> None:
        """Check every line, and remember what it says."""
        for line in lines:
            seq, at, proposal_id, event, actor, via, data, prev, hash_ = line
            self.rows += 1
            if seq != self._last + 1:
                self._problems.add(_gap(self._last, seq))
            if prev != self._head:
                self._problems.add(f"Line {seq} does not follow on the line before it: one of them was changed.")
            try:
                is_whole = link(seq, at, proposal_id, event, actor, via, data, prev) == hash_
            except (TypeError, ValueError):
                is_whole = False
            if not is_whole:
                self._problems.add(f"Line {seq} was changed: its hash does not fit what it says.")
            self._last, self._head = seq, hash_
            if self._checkpoints and seq >= self._checkpoints[-1].seq:
                self._check_checkpoints()
            if event in STATUS_EVENTS or event in CONTROL_EVENTS or proposal_id is not None:
                self._remember(line)

    def finish(self) -> None:
        """Check the checkpoints that lie behind the last line."""
        for checkpoint in reversed(self._checkpoints):
            self._problems.add(
                f"The log ends with line {self._last}, but a witness saw line {checkpoint.seq}: the end was cut off."
            )

    def _check_checkpoints(self) -> None:
        while self._checkpoints and self._checkpoints[-1].seq <= self._last:
            checkpoint = self._checkpoints.pop()
            if (checkpoint.seq, checkpoint.head, checkpoint.count) == (self._last, self._head, self.rows):
                self.covered_up_to = self._last
            else:
                self._problems.add(
                    f"Up to line {checkpoint.seq} the log is not the one a witness saw "
                    f"({checkpoint.at:%Y-%m-%d %H:%M} UTC): it was rewritten."
                )

    def _remember(self, line: Line) -> None:
        seq, _, proposal_id, event, actor, *_ = line
        try:
            if event in CONTROL_EVENTS and proposal_id is None:
                self._turn(seq, actor, orjson.loads(line[6]))
            elif event in STATUS_EVENTS:
                self._step(self.proposals.setdefault(proposal_id, ProposalTrail()), line)
            elif proposal_id not in self.proposals:
                self._problems.add(f"Line {seq} ({event}) is about proposal {proposal_id}, which was never proposed.")
            elif event == "reviewed":
                self.proposals[proposal_id].review = orjson.loads(line[6])["review"]
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            self._problems.add(f"Line {seq} ({event}) cannot be understood: {_reason(error)}.")

    def _turn(self, seq: Any, actor: Any, data: Mapping[str, Any]) -> None:
        if "epoch" in data:  # an explanation of a stop that is over changes no row
            self.controls[data["scope"]] = ControlTrail(seq=seq, actor=data.get("changed_by", actor), data=data)

    def _step(self, trail: ProposalTrail, line: Line) -> None:
        seq, at, proposal_id, event, actor, via, text, *_ = line
        data = orjson.loads(text)
        trail.status = replay(trail.status, event)
        trail.seq = seq
        trail.row = data["row"]
        if data["status"] != trail.status or data["version"] != trail.version + 1:
            self._problems.add(
                f"Line {seq} ({event}) says that proposal {proposal_id} became {data['status']}, "
                f"version {data['version']}; after the lines before it that cannot be."
            )
        trail.version = data["version"]
        if "record" in data:
            trail.record = data["record"]
        if "review" in data:
            trail.review = data["review"]
        if event in _APPROVALS and data.get("person") is not None:
            groups = json_text(data["groups"])
            trail.approvals.append((data["person"], actor, via, data["params_hash"], at, groups))


def _gap(last: int, seq: Any) -> str:
    if isinstance(seq, int) and seq > last + 1:
        missing = f"line {last + 1} is" if seq == last + 2 else f"lines {last + 1} to {seq - 1} are"
        return f"Before line {seq}, {missing} missing."
    return f"Line {seq!r} stands where line {last + 1} belongs."


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)
