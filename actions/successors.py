"""One proposal in the place of another, in one transaction: the older cannot be decided once the newer is there."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from actions.canonical import Json
from actions.drafts import Drafts, edit_source, once_more_source, renewed_source
from actions.errors import ConflictError, OperatorError, StaleError
from actions.lifecycle import APPROVED, PENDING, WITHDRAW
from actions.models import ActionProposal, Actor, Caller, ReasonCode, Via
from actions.ports import OutboxKind, Reader, Transaction
from actions.readings import Reading, drift_of
from actions.registry import ActionRegistry, Preview
from actions.safety import refuse_decided
from actions.transitions import bear, transition

RENEWAL = Caller(actor=Actor.system("renewal"), via=Via.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Successors:
    """Lets proposals follow on one another."""

    registry: ActionRegistry
    drafts: Drafts

    def renew(self, tx: Transaction, proposal: ActionProposal, drift: str, by: Caller, at: datetime) -> StaleError:
        """Cancel a proposal whose target has changed, and propose the same anew, without approvals.

        The new one is read and put up for decision like any other; its card shows what has changed. It takes the place
        of what was proposed meanwhile, too.
        """
        withdraw_stale(tx, proposal, drift, by, at)
        born = bear_in_place(tx, self.drafts.again(proposal, at), (), by=RENEWAL, at=at)
        return StaleError(proposal.id, drift, successor=born.id if born is not None else None)

    def moved(
        self, tx: Transaction, proposal: ActionProposal, reading: Reading | None, by: Caller, at: datetime
    ) -> OperatorError | None:
        """Return why a person's yes does not count for what the target looked like last; None if it does.

        What must not be done now stays as it is; what rests on something that has moved is renewed.
        """
        if reading is None or not reading.is_fresh(at):
            return None  # it is read anew before it runs
        if reading.preview.refusal:
            return ConflictError(
                f"Action {proposal.id} must not be done now: {reading.preview.refusal.rstrip('.')}. Nothing was "
                "changed; it can be approved once that is over."
            )
        return self.renew(tx, proposal, reading.drift, by, at) if reading.drift else None

    def stale(
        self, tx: Transaction, proposal: ActionProposal, now_there: Preview, by: Caller, at: datetime
    ) -> StaleError | None:
        """End a pending proposal that does not fit what was read of its target any more; None if it does.

        It is renewed if only what it rests on has moved; what must not be done now is cancelled.
        """
        not_offered = self.not_offered(tx, proposal, by, at)
        if not_offered is not None:
            return not_offered
        if now_there.refusal:
            return withdraw_stale(tx, proposal, now_there.refusal, by, at)
        drift = drift_of(proposal.pins, now_there.pins)
        return self.renew(tx, proposal, drift, by, at) if drift else None

    def not_offered(self, tx: Transaction, proposal: ActionProposal, by: Caller, at: datetime) -> StaleError | None:
        """Cancel a proposal whose action is not there any more as it was; None if it is."""
        changed = why_not_offered(self.registry, proposal)
        return withdraw_stale(tx, proposal, changed, by, at) if changed else None


def replace_by(
    tx: Transaction, old: ActionProposal, draft: ActionProposal, *, by: Caller, at: datetime
) -> ActionProposal | OperatorError:
    """Store *draft* in the place of *old*, which must be pending and of the current epochs."""
    born = bear_in_place(tx, replace(draft, epoch=old.epoch, subject_epoch=old.subject_epoch), [old], by=by, at=at)
    return born if born is not None else refuse_decided(tx.proposal(old.id) or old)


def bear_in_place(
    tx: Transaction, draft: ActionProposal, older: Iterable[ActionProposal], *, by: Caller, at: datetime
) -> ActionProposal | None:
    """Store *draft* and supersede *older* and whatever else waits for the same action on the same target.

    The card of what it takes back or tries again is drawn anew. None if its source was proposed before.
    """
    rivals = {one.id: one for one in [*rivals_of(tx, draft), *older]}
    born = bear(tx, replace(draft, supersedes=draft.supersedes or max(rivals, default=None)), by=by, at=at)
    if born is None:
        return None
    for rival in rivals.values():
        _supersede(tx, rival, born, by=by, at=at)
    for earlier in {born.undo_of, born.retry_of} - {None}:
        tx.enqueue(OutboxKind.CARD, str(earlier), at=at)
    return born


def newest_from(reader: Reader, source_key: str) -> ActionProposal | None:
    """Return what came of the proposal from this source: edited, renewed or asked for once more, the newest."""
    found = following = reader.proposal_by_source(source_key)
    while following is not None:
        found = following
        keys = (edit_source(found.id), renewed_source(found.id), once_more_source(source_key, found.id))
        following = next(filter(None, map(reader.proposal_by_source, keys)), None)
    return found


def rivals_of(reader: Reader, draft: ActionProposal) -> list[ActionProposal]:
    """Return what waits for a decision about the same action on the same target; what was approved stays so."""
    return [
        one
        for one in reader.pending_on(draft.subject, draft.target)
        if one.action_name == draft.action_name and one.status is not APPROVED
    ]


def why_not_offered(registry: ActionRegistry, proposal: ActionProposal) -> str | None:
    """Return why the action is not there any more as it was when it was proposed; None if it is."""
    definition = registry.find(proposal.action_name)
    if definition is None:
        return "the action is not offered any more"
    return None if definition.definition_hash == proposal.definition_hash else "the action was redefined"


def withdraw_stale(tx: Transaction, proposal: ActionProposal, changed: str, by: Caller, at: datetime) -> StaleError:
    """Cancel a pending proposal whose ground has shifted, and return the refusal that says how."""
    transition(
        tx,
        WITHDRAW,
        proposal,
        by=by,
        at=at,
        changes={"reason_code": ReasonCode.STALE, "detail": f"What it rested on has changed: {changed}"},
        data={"reason_code": ReasonCode.STALE.value, "changed": changed},
    )
    return StaleError(proposal.id, changed)


def _supersede(tx: Transaction, old: ActionProposal, by_this: ActionProposal, *, by: Caller, at: datetime) -> None:
    if old.status not in PENDING:
        return
    code = ReasonCode.SUPERSEDED
    data: dict[str, Json] = {"reason_code": code.value, "superseded_by": by_this.id}
    changes = {"reason_code": code, "detail": f"Action {by_this.id} took its place"}
    transition(tx, WITHDRAW, old, by=by, at=at, changes=changes, data=data)
