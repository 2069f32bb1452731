"""What a digest is about: an order in the outbox, and what the store says of its time. Costs grow with that time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from pydantic import TypeAdapter

from actions.canonical import Json
from actions.lifecycle import APPROVE, COMPLETE, COUNT_APPROVAL, FAIL, PENDING, UNKNOWN
from actions.models import ActionProposal, ActionStatus, AuditEvent, Checkpoint
from actions.ports import OutboxItem, Reader
from bot.views.digest import DigestData, Tally

NEWEST: Final = 20
"""How many of each kind are named; the rest is counted."""
_PAGE: Final = 1_000
_MODE_EVENTS: Final = frozenset({"mode_change", "kill_switch"})
_APPROVALS: Final = frozenset({COUNT_APPROVAL.event, APPROVE.event})


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestOrder:
    """One digest to be posted: its time, where it goes, and the checkpoint that the channel is to witness."""

    name: str
    fire_at: datetime
    covers: timedelta
    checkpoint: Checkpoint
    channel: str | None = None
    late: bool = False
    """It was due while nobody was there to post it."""

    @property
    def ref(self) -> str:
        """What the outbox calls it: the same for every process that finds it due."""
        return f"{self.name}@{self.fire_at.isoformat()}"

    @property
    def since(self) -> datetime:
        """Where its time begins; it ends when it was due."""
        return self.fire_at - self.covers

    def payload(self) -> Mapping[str, Json]:
        """Return it as the outbox keeps it."""
        kept: Mapping[str, Json] = TypeAdapter(DigestOrder).dump_python(self, mode="json")
        return kept

    @classmethod
    def of(cls, item: OutboxItem) -> "DigestOrder":
        """Read what `payload` gave. Raises `ValueError` for anything else."""
        return TypeAdapter(cls).validate_python(item.payload)


def gather(reader: Reader, order: DigestOrder) -> DigestData:
    """Return what is open now, and what was done in the order's time."""
    seen = _Seen(_events(reader, order.since, order.fire_at))
    return DigestData(
        ref=order.ref,
        since=order.since,
        until=order.fire_at,
        checkpoint=order.checkpoint,
        open_tickets=tuple(reader.tickets(open_only=True)),
        pending=_standing(reader, PENDING),
        unknown=_standing(reader, {UNKNOWN}),
        done=_tally(reader, seen.done),
        failed=_tally(reader, seen.failed),
        mode_changes=tuple(seen.mode_changes),
        approvals=seen.approvals,
        median_decision_seconds=_median_decision(reader, seen.approved),
        late=order.late,
    )


class _Seen:
    """What the audit log says of the time."""

    def __init__(self, events: Iterable[AuditEvent]) -> None:
        self.done: list[int] = []
        self.failed: list[int] = []
        self.approved: list[int] = []
        self.approvals = 0
        self.mode_changes: list[AuditEvent] = []
        ids = {COMPLETE.event: self.done, FAIL.event: self.failed, APPROVE.event: self.approved}
        for event in events:
            self.approvals += event.event in _APPROVALS
            if event.event in _MODE_EVENTS:
                self.mode_changes.append(event)
            if event.proposal_id is not None and event.event in ids:
                ids[event.event].append(event.proposal_id)


def _events(reader: Reader, since: datetime, until: datetime) -> Iterator[AuditEvent]:
    after_seq = 0
    while page := reader.audit(after_seq=after_seq, since=since, until=until, limit=_PAGE):
        yield from page
        after_seq = page[-1].seq


def _standing(reader: Reader, statuses: Iterable[ActionStatus]) -> Tally:
    wanted, count = frozenset(statuses), 0
    page = reader.proposals(statuses=wanted, limit=_PAGE)
    newest = tuple(page[:NEWEST])
    while page:
        count += len(page)
        page = reader.proposals(statuses=wanted, before_id=page[-1].id, limit=_PAGE) if len(page) == _PAGE else []
    return Tally(count=count, newest=newest)


def _tally(reader: Reader, ids: list[int]) -> Tally:
    return Tally(count=len(ids), newest=tuple(_proposals(reader, reversed(ids[-NEWEST:]))))


def _median_decision(reader: Reader, ids: list[int]) -> float | None:
    took = [
        (proposal.approved_at - proposal.proposed_at).total_seconds()
        for proposal in _proposals(reader, ids)
        if proposal.approved_at is not None
    ]
    return median(took) if took else None


def _proposals(reader: Reader, ids: Iterable[int]) -> Iterator[ActionProposal]:
    return (proposal for one in ids if (proposal := reader.proposal(one)) is not None)
