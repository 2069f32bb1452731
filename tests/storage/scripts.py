"""What the core does to a store, cut down to the transactions: lives of proposals, and changes of the mode."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import TypeVar

from actions.canonical import Json, digest
from actions.lifecycle import (
    APPROVE,
    BREAK_GLASS,
    CANCEL,
    CLAIM,
    COMPLETE,
    COUNT_APPROVAL,
    EXPIRE,
    FAIL,
    FOUND_DONE,
    LOSE_TRACK,
    VALIDATE,
    Transition,
)
from actions.models import (
    EVERYTHING,
    ActionProposal,
    ActionRecord,
    Actor,
    Approval,
    Caller,
    Control,
    Fact,
    FailureOutcome,
    ReasonCode,
    Review,
    SafetyMode,
    Step,
    SuccessOutcome,
    Via,
)
from actions.ports import Clock, Store, Transaction
from actions.transitions import bear, note, transition
from tests.factories import a_proposal

T = TypeVar("T")

AGENT = Caller(actor=Actor.parse("agent:rules"), via=Via.AGENT)
SYSTEM = Caller(actor=Actor.system("executor"), via=Via.SYSTEM)
ANN = Caller(actor=Actor.slack("T1", "UANN"), via=Via.SLACK)
BO = Caller(actor=Actor.slack("T1", "UBO"), via=Via.SLACK)


class Script:
    """Writes down what happens to proposals, one transaction for each step."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def propose(self, source_key: str, **over: object) -> ActionProposal:
        draft = a_proposal(source_key=source_key, **{"target": source_key, **over})

        def work(tx: Transaction) -> ActionProposal:
            tx.lock_control(EVERYTHING)
            tx.lock_control(draft.subject)
            return must(bear(tx, draft, by=AGENT, at=self._clock.now()))

        return await self._store.write(work)

    async def validate(self, proposal: ActionProposal) -> ActionProposal:
        changes: dict[str, object] = {"pins": {"leader": "etcd-3"}, "impact": (Fact(label="keys", value="12"),)}
        return await self._step(VALIDATE, proposal, SYSTEM, changes)

    async def approve(self, proposal: ActionProposal, by: Caller = ANN) -> ActionProposal:
        def work(tx: Transaction) -> ActionProposal:
            current = self._locked(tx, proposal)
            now = self._clock.now()
            person = str(by.actor)
            approval = Approval(
                proposal_id=current.id,
                person=person,
                actor=str(by.actor),
                via=by.via,
                params_hash=current.params_hash,
                at=now,
            )
            tx.take_inbox(f"{by.actor}:{current.id}", body_hash="h", reply="", at=now)
            assert tx.insert_approval(approval)
            enough = len(tx.approvals(current.id)) >= current.required_approvals
            changes: dict[str, object] = (
                {"approved_at": now, "approval_expires_at": now + timedelta(minutes=5)} if enough else {}
            )
            row = APPROVE if enough else COUNT_APPROVAL
            data: dict[str, Json] = {"person": person, "params_hash": current.params_hash, "groups": []}
            return must(transition(tx, row, current, by=by, at=now, changes=changes, data=data))

        return await self._store.write(work)

    async def break_glass(self, proposal: ActionProposal, by: Caller = ANN) -> ActionProposal:
        def work(tx: Transaction) -> ActionProposal:
            current, now = self._locked(tx, proposal), self._clock.now()
            review = Review(
                proposal_id=current.id,
                opened_at=now,
                opened_by=str(by.actor),
                person=str(by.actor),
                reason="it cannot wait",
            )
            data: dict[str, Json] = {"break_glass": review.reason, "review": review.row_digest()}
            moved = transition(
                tx, BREAK_GLASS, current, by=by, at=now, changes={"break_glass": review.reason}, data=data
            )
            tx.save_review(review)
            return must(moved)

        return await self._store.write(work)

    async def close_review(self, proposal: ActionProposal, by: Caller = BO) -> None:
        def work(tx: Transaction) -> None:
            now = self._clock.now()
            review = must(tx.review(proposal.id))
            closed = replace(review, closed_at=now, closed_by=str(by.actor), comment="it was right")
            tx.save_review(closed)
            data: dict[str, Json] = {"comment": closed.comment, "review": closed.row_digest()}
            note(tx, "reviewed", by=by, at=now, proposal_id=proposal.id, data=data)

        await self._store.write(work)

    async def claim(self, proposal: ActionProposal) -> ActionProposal:
        def work(tx: Transaction) -> ActionProposal:
            current = self._locked(tx, proposal)
            now = self._clock.now()
            fence = current.fence + 1
            lease = now + timedelta(seconds=30)
            changes = {"attempts": 1, "owner": "host/1", "fence": fence, "lease_until": lease}
            claimed = must(transition(tx, CLAIM, current, by=SYSTEM, at=now, changes=changes))
            record = ActionRecord(
                proposal_id=claimed.id, token=claimed.token, owner="host/1", fence=fence, started_at=now
            )
            tx.save_record(record)
            return claimed

        return await self._store.write(work)

    async def complete(self, proposal: ActionProposal) -> ActionProposal:
        return await self._end(COMPLETE, proposal, SuccessOutcome.CONFIRMED)

    async def fail(self, proposal: ActionProposal) -> ActionProposal:
        return await self._end(FAIL, proposal, FailureOutcome.NO_EFFECT)

    async def lose_track(self, proposal: ActionProposal) -> ActionProposal:
        return await self._end(LOSE_TRACK, proposal, None)

    async def settle(self, proposal: ActionProposal) -> ActionProposal:
        return await self._end(FOUND_DONE, proposal, SuccessOutcome.CONFIRMED)

    async def cancel(self, proposal: ActionProposal) -> ActionProposal:
        return await self._step(CANCEL, proposal, ANN, {"reason_code": ReasonCode.USER, "detail": "not now"})

    async def expire(self, proposal: ActionProposal) -> ActionProposal:
        return await self._step(EXPIRE, proposal, SYSTEM, {})

    async def deny(self, proposal: ActionProposal) -> int:
        def work(tx: Transaction) -> int:
            return note(tx, "denied", by=BO, at=self._clock.now(), proposal_id=proposal.id, data={"why": "may not"})

        return await self._store.write(work)

    async def set_mode(self, mode: SafetyMode, scope: str = EVERYTHING, event: str = "mode_change") -> Control:
        def work(tx: Transaction) -> Control:
            before = tx.lock_control(scope)
            now = self._clock.now()
            control = Control(
                scope=scope,
                mode=mode,
                epoch=before.epoch + 1,
                changed_by=str(ANN.actor),
                changed_at=now,
                reason="because",
            )
            tx.set_control(control)
            data = {"scope": scope, "mode": mode.value, "epoch": control.epoch, "row": control_digest(control)}
            note(tx, event, by=ANN, at=now, data=data)
            return control

        return await self._store.write(work)

    async def whole_life(self, source_key: str, **over: object) -> ActionProposal:
        """Propose, validate, approve, claim and complete: five transactions."""
        proposal = await self.propose(source_key, **over)
        for step in (self.validate, self.approve, self.claim, self.complete):
            proposal = await step(proposal)
        return proposal

    async def varied_lives(self, count: int) -> None:
        """Lead *count* proposals to every end there is, in turn, between changes of the mode."""
        await self.set_mode(SafetyMode.EXECUTE)
        await self.set_mode(SafetyMode.EXECUTE, "etcd")
        for number in range(count):
            await self._one_of_many(f"life:{number}", number)
        await self.set_mode(SafetyMode.OBSERVE, event="kill_switch")

    async def _one_of_many(self, source_key: str, number: int) -> None:
        target = "shared" if number % 7 == 0 else source_key
        proposal = await self.propose(source_key, required_approvals=1 + number % 2, target=target)
        if number % 7 == 0:
            return
        proposal = await self.validate(proposal)
        if number % 7 == 1:
            await self.cancel(proposal)
            return
        await self.deny(proposal)
        proposal = await self.approve(proposal)
        if number % 2:
            proposal = await self.approve(proposal, BO)
        if number % 7 == 2:
            await self.expire(proposal)
            return
        if number % 7 == 3:
            return
        if number % 7 == 4:
            proposal = await self.break_glass(proposal)
            if number % 2:
                await self.close_review(proposal)
        proposal = await self.claim(proposal)
        ends = (self.complete, self.fail, self.lose_track, self._lose_and_settle, self._leave)
        await ends[number % 5](proposal)

    async def _leave(self, proposal: ActionProposal) -> ActionProposal:
        return proposal

    async def _lose_and_settle(self, proposal: ActionProposal) -> ActionProposal:
        return await self.settle(await self.lose_track(proposal))

    async def _step(
        self, row: Transition, proposal: ActionProposal, by: Caller, changes: dict[str, object]
    ) -> ActionProposal:
        def work(tx: Transaction) -> ActionProposal:
            current = self._locked(tx, proposal)
            return must(transition(tx, row, current, by=by, at=self._clock.now(), changes=changes))

        return await self._store.write(work)

    async def _end(
        self, row: Transition, proposal: ActionProposal, outcome: SuccessOutcome | FailureOutcome | None
    ) -> ActionProposal:
        def work(tx: Transaction) -> ActionProposal:
            current = self._locked(tx, proposal)
            now = self._clock.now()
            steps = (Step(name="move", state="done", detail="202"),)
            record = replace(must(tx.record(current.id)), finished_at=now, steps=steps, result="it said yes")
            tx.save_record(record)
            changes = {"detail": record.result, "outcome": outcome}
            data = {"record": record.row_digest()}
            return must(transition(tx, row, current, by=SYSTEM, at=now, changes=changes, data=data))

        return await self._store.write(work)

    def _locked(self, tx: Transaction, proposal: ActionProposal) -> ActionProposal:
        tx.lock_control(EVERYTHING)
        tx.lock_control(proposal.subject)
        return must(tx.proposal(proposal.id))


def control_digest(control: Control) -> str:
    """Return the digest of every stored field of a control row, as the audit log records it."""
    values = {field.name: getattr(control, field.name) for field in fields(control)}
    return digest({**values, "changed_at": None if control.changed_at is None else control.changed_at.isoformat()})


def must(found: T | None) -> T:
    """Return what must be there."""
    assert found is not None
    return found
