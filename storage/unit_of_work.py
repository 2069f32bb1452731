"""A consistent view of the database, and one unit of work in it."""

from datetime import datetime
from typing import Final

from actions.ports import Dossier, OutboxKind
from storage.aftercare import AftercareReads, AftercareWrites
from storage.audit import AuditReads, AuditWrites
from storage.channel import Channel
from storage.control import ControlReads, ControlWrites
from storage.diagnoses import DiagnosisReads, DiagnosisWrites
from storage.inbox import InboxReads, InboxWrites
from storage.known import Known
from storage.outbox import OutboxReads, OutboxWrites
from storage.proposals import ProposalReads, ProposalWrites

_WHOLE_HISTORY: Final = 10_000
"""Far more events than one proposal can have without a fault; a bound all the same."""


class SqlReader(ControlReads, ProposalReads, AftercareReads, AuditReads, OutboxReads, InboxReads, DiagnosisReads):
    """See `actions.ports.Reader`."""

    def dossier(self, proposal_id: int) -> Dossier | None:
        """See `actions.ports.Reader.dossier`."""
        proposal = self.proposal(proposal_id)
        if proposal is None:
            return None
        return Dossier(
            proposal=proposal,
            approvals=tuple(self.approvals(proposal_id)),
            record=self.record(proposal_id),
            audit=tuple(self.audit(proposal_id=proposal_id, limit=_WHOLE_HISTORY)),
            diagnosis=None if proposal.diagnosis_id is None else self.diagnosis(proposal.diagnosis_id),
            message=self.message(OutboxKind.CARD, str(proposal_id)),
            replaces=None if proposal.supersedes is None else self.proposal(proposal.supersedes),
            replaced_by=self.replaced_by(proposal_id),
            review=self.review(proposal_id) if proposal.break_glass else None,
        )


class SqlTransaction(
    SqlReader,
    ControlWrites,
    ProposalWrites,
    AftercareWrites,
    AuditWrites,
    OutboxWrites,
    InboxWrites,
    DiagnosisWrites,
):
    """See `actions.ports.Transaction`. Whoever makes one begins and commits."""

    def __init__(self, channel: Channel, known: Known) -> None:
        super().__init__(channel, known)
        self._locked = set()

    def prune(self, *, before: datetime, limit: int) -> int:
        """See `actions.ports.Transaction.prune`."""
        pruned = self._prune_outbox(before, limit)
        return pruned + self._prune_inbox(before, limit - pruned)
