"""Turns recommendations into decisions, and decisions into effects: each at most once. Knows neither Slack nor SQL."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from actions.admission import Ask, admitted
from actions.attempt import Attempts, Claim, Ending, Readiness, parameters_of
from actions.break_glass import BreakGlass
from actions.calendar import ALWAYS_OPEN, Calendar
from actions.canonical import Json, canonical_json
from actions.decisions import Decisions, Outcome
from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Drafts, Proposition, edit_source, once_more_source, recommendation_like, retried, undo_source
from actions.errors import (
    BadRequestError,
    ConflictError,
    IllegalTransitionError,
    KilledError,
    LimitError,
    NotReadyError,
    ObserveOnlyError,
    OperatorError,
    StorageError,
    TargetUnavailableError,
    UnknownProposalError,
)
from actions.lifecycle import APPROVED, CANCELLED, EXPIRED, FAILED, PROPOSED, REJECT, VALIDATE, VALIDATED
from actions.limits import NO_LIMITS, Limits
from actions.models import (
    ActionProposal,
    ActionRecord,
    Actor,
    Caller,
    FailureOutcome,
    ReasonCode,
    RefusalCode,
    Review,
    Risk,
    SafetyMode,
    Seen,
    Verb,
    Via,
)
from actions.ports import (
    ButtonTokens,
    Clock,
    Directory,
    Entropy,
    KillFiles,
    OutboxKind,
    Policy,
    Publisher,
    Standing,
    Store,
    Transaction,
)
from actions.readings import Reading, Readings
from actions.registry import ActionDefinition, ActionRegistry, Preview
from actions.reminder_schedule import ReminderSchedule
from actions.run import Run
from actions.safety import effective, is_of_earlier_epoch, lock, said, stand_down
from actions.schedule import Schedule
from actions.successors import Successors, bear_in_place, newest_from, why_not_offered
from actions.transitions import note, transition
from actions.undo import not_undoable, undo_of
from actions.validation import validate_action_params

T = TypeVar("T")
log = logging.getLogger(__name__)

UNDO = Actor.system("undo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take or last."""

    proposal_lifetime: Mapping[Risk, timedelta] = field(default_factory=lambda: dict.fromkeys(Risk, timedelta(hours=1)))
    approval_lifetime: timedelta = timedelta(minutes=5)
    lease: timedelta = timedelta(seconds=30)
    """Without a heartbeat for this long, an attempt counts as abandoned."""
    preview_timeout: float = 10.0
    """Seconds a target may take to be read."""
    verify_interval: float = 0.25
    """Seconds between two looks at a target after the action."""
    finish_interval: float = 1.0
    """Seconds between two attempts to write a result down, while the lease lasts."""
    abort_window: timedelta = timedelta(seconds=10)
    """How long everybody may abort what is of high risk, before it begins."""
    undo_window: timedelta = timedelta(hours=1)
    """How long after its end an action can be undone at the press of a button."""
    reminders: ReminderSchedule = field(default_factory=ReminderSchedule)


class ActionExecutor:
    """The only way to propose, decide and run."""

    def __init__(
        self,
        *,
        store: Store,
        registry: ActionRegistry,
        policy: Policy,
        directory: Directory,
        kill_files: KillFiles,
        clock: Clock,
        entropy: Entropy,
        button_tokens: ButtonTokens,
        publisher: Publisher,
        owner: str,
        timing: Timing | None = None,
        calendar: Calendar = ALWAYS_OPEN,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._store = store
        self._registry = registry
        self._policy = policy
        self._directory = directory
        self._kill_files = kill_files
        self._clock = clock
        self._publisher = publisher
        self._timing = timing or Timing()
        self.undo_window = self._timing.undo_window
        self._limits = limits
        self._readings = Readings()
        self._drafts = Drafts(
            policy=policy, entropy=entropy, button_tokens=button_tokens, lifetimes=self._timing.proposal_lifetime
        )
        self.schedule = Schedule(
            approval_lifetime=self._timing.approval_lifetime,
            abort_window=self._timing.abort_window,
            calendar=calendar,
        )
        successors = Successors(registry=registry, drafts=self._drafts)
        self._decisions = Decisions(
            policy=policy,
            kill_files=kill_files,
            schedule=self.schedule,
            successors=successors,
            reminders=self._timing.reminders,
            limits=limits,
        )
        self._break_glass = BreakGlass(
            policy=policy, kill_files=kill_files, schedule=self.schedule, successors=successors
        )
        self.attempts = Attempts(
            policy=policy,
            registry=registry,
            kill_files=kill_files,
            schedule=self.schedule,
            successors=successors,
            owner=owner,
            lease=self._timing.lease,
            limits=limits,
        )

    async def propose_action(self, proposition: Proposition) -> ActionProposal:
        """Store a recommendation as a proposal; the same source again returns the proposal made the first time.

        Raises:
            UnknownActionError, BadParametersError, ObserveOnlyError, StorageError
            LimitError: there are too many of them; that stands in the audit log
        """
        definition = self._registry.get(proposition.recommendation.action_name)
        draft = self._draft(proposition, definition)
        outcome = await self._write(lambda tx: self._propose(tx, draft, proposition.by))
        if isinstance(outcome, OperatorError):
            raise outcome
        return outcome

    async def validate_proposal(self, proposal_id: int) -> ActionProposal:
        """Read the target, store what the decision rests on, and put the proposal up for decision, or cancel it.

        Raises:
            UnknownProposalError, NotReadyError, StorageError
            TargetUnavailableError: the target could not be read; the proposal stays as it is and can be tried again.
        """
        proposal = await self._proposal(proposal_id)
        try:
            preview = await self._preview(proposal)
        except TargetUnavailableError as error:
            await self._write(lambda tx: self._show_waiting(tx, proposal_id))
            self._publisher.changed()
            log.warning("proposal %d cannot be validated yet: %s", proposal_id, error)
            raise
        validated = await self._decide(lambda tx: self._validate(tx, proposal_id, preview), urgent=False)
        self._readings.keep(validated, preview, self._clock.now())
        return validated

    async def approve_proposal(self, proposal_id: int, *, by: Caller, seen: Seen | None = None) -> ActionProposal:
        """Count one person's approval of exactly what was *seen*; with the last one needed it is approved.

        A repeated delivery of the same interaction changes nothing and gets the first answer.

        Raises:
            NotAllowedError, ConflictError, NotFoundError, StorageError; what was denied stands in the audit log by then
        """
        ask = await self._asked(by, seen, proposal_id)
        return await self._decide(lambda tx: self._decisions.approve(tx, proposal_id, ask()))

    async def cancel_proposal(self, proposal_id: int, *, by: Caller, reason: str = "") -> ActionProposal:
        """Cancel what is still pending, or raise `AlreadyDecidedError`. Possible in every mode."""
        ask = await self._asked(by)
        return await self._decide(lambda tx: self._decisions.cancel(tx, proposal_id, ask(), reason.strip()))

    async def abort_proposal(self, proposal_id: int, *, by: Caller) -> ActionProposal:
        """Cancel what is of high risk and about to begin, which every member may.

        Raises:
            NotAuthorizedError, AlreadyDecidedError, NotReadyError (it is not about to begin)
        """
        ask = await self._asked(by)
        return await self._decide(lambda tx: self._decisions.abort(tx, proposal_id, ask()))

    async def edit_proposal(self, proposal_id: int, parameters: Mapping[str, Any], *, by: Caller) -> ActionProposal:
        """Put a proposal with other parameters in the place of one that waits; return it, still to be validated.

        Whoever edits has proposed it, and cannot approve it.

        Raises:
            NotAllowedError, ConflictError, NotFoundError, StorageError
            BadParametersError, BadRequestError: the parameters do not fit, or are the same
        """
        old = await self._proposal(proposal_id)
        draft = self._draft(
            Proposition(
                recommendation=recommendation_like(old, parameters),
                source_key=edit_source(old.id),
                by=by,
                diagnosis_id=old.diagnosis_id,
                channel=old.channel,
                retry_of=old.retry_of,
                supersedes=old.id,
            ),
            self._registry.get(old.action_name),
        )
        if draft.params_hash == old.params_hash:
            raise BadRequestError("These are the parameters that it has already; nothing was changed.")
        ask = await self._asked(by)
        return await self._decide(lambda tx: self._decisions.edit(tx, proposal_id, ask(), draft))

    async def retry_proposal(
        self, proposal_id: int, *, by: Caller, parameters: Mapping[str, Any] | None = None
    ) -> ActionProposal:
        """Propose again what failed without any effect; return the new proposal, still to be validated.

        With other *parameters* it is the idea of whoever asks, who then cannot approve it.

        Raises:
            NotAllowedError, ConflictError, NotFoundError, BadParametersError, StorageError
        """
        failed = await self._proposal(proposal_id)
        if (failed.status, failed.outcome) != (FAILED, FailureOutcome.NO_EFFECT):
            return await self._follow(failed, _not_retryable(failed), by)
        draft = self._draft(retried(failed, by, parameters), self._registry.get(failed.action_name))
        if draft.params_hash != failed.params_hash:
            draft = replace(draft, proposed_by=str(by.actor))
        return await self._follow(failed, draft, by)

    async def undo_proposal(self, proposal_id: int, *, by: Caller) -> ActionProposal:
        """Propose what takes the effect of a completed action back; return it, still to be validated.

        Its parameters come from the state before, so it is nobody's idea, and whoever asks may approve it.

        Raises:
            NotAllowedError, NotFoundError, StorageError
            ConflictError: it is not completed, it is too late, something else was done there since, or nothing takes
                it back
        """
        done = await self._proposal(proposal_id)
        now = self._clock.now()
        refusal = await self._store.read(lambda reader: not_undoable(reader, done, self.undo_window, now))
        undo = undo_of(self._registry, done)
        if refusal is not None or undo is None:
            none = ConflictError(f"Action {proposal_id} cannot be undone: nothing is known that takes it back.")
            return await self._follow(done, refusal or none, by)
        name, parameters = undo
        recommendation = ActionRecommendation(
            action_name=name,
            parameters=dict(parameters),
            reason=f"Takes back action {done.id} ({done.action_name}).",
            urgency=done.urgency,
            expected_outcome=f"{done.target} is as it was before action {done.id}.",
            risks=(),
        )
        proposition = Proposition(
            recommendation=recommendation,
            source_key=undo_source(done.id),
            by=by,
            proposed_by=str(UNDO),
            diagnosis_id=done.diagnosis_id,
            channel=done.channel,
            undo_of=done.id,
        )
        return await self._follow(done, self._draft(proposition, self._registry.get(name)), by)

    async def break_glass(
        self, proposal_id: int, *, by: Caller, reason: str, seen: Seen | None = None
    ) -> ActionProposal:
        """Approve it alone, past quorum and calendar, to run at once. Everybody is told, and a review stays open.

        Raises:
            BadRequestError: it needs a reason
            NotAllowedError, ConflictError, NotFoundError, StorageError
        """
        why = said(reason)
        if not why:
            raise BadRequestError("Breaking the glass needs a reason: say in a few words why it cannot wait.")
        ask = await self._asked(by, seen, proposal_id)
        return await self._decide(lambda tx: self._break_glass.run(tx, proposal_id, ask(), why))

    async def close_review(self, proposal_id: int, *, by: Caller, comment: str) -> Review:
        """Close the review that break-glass left open, once the action has ended; not by who broke the glass.

        Raises:
            BadRequestError: it needs a comment
            NotAllowedError, ConflictError, NotFoundError, StorageError
        """
        text = said(comment)
        if not text:
            raise BadRequestError("Closing a review needs a comment: what did you look at, and was it right?")
        ask = await self._asked(by)
        return await self._decide(lambda tx: self._break_glass.close(tx, proposal_id, ask(), text))

    async def preview_proposal(self, proposal_id: int) -> Reading:
        """Read the target of a pending proposal anew; its card is redrawn if what it may offer has changed.

        Raises:
            UnknownProposalError, StorageError
            NotReadyError: nothing is to be decided about it
            TargetUnavailableError: the target could not be read
        """
        proposal = await self._proposal(proposal_id)
        if proposal.status not in {VALIDATED, APPROVED}:
            raise NotReadyError(proposal_id, proposal.status, "previewed")
        before = self.last_reading(proposal_id)
        reading = self._readings.keep(proposal, await self._preview(proposal), self._clock.now())
        if _offers(before) != _offers(reading):
            await self._write(lambda tx: tx.enqueue(OutboxKind.CARD, str(proposal_id), at=self._clock.now()))
            self._publisher.changed()
        return reading

    def last_reading(self, proposal_id: int) -> Reading | None:
        """Return what this process read last of a pending proposal's target; None if that is over a minute ago."""
        return self._readings.last(proposal_id, self._clock.now())

    async def explain_cancellation(
        self, proposal_id: int, *, by: Caller, reason: str, code: RefusalCode | None = None
    ) -> None:
        """Write down why someone cancelled; the proposal stays as it is.

        Raises:
            NotAuthorizedError, UnknownProposalError, NotReadyError (it was not cancelled by a person)
        """
        ask = await self._asked(by)
        refusal = await self._write(
            lambda tx: self._decisions.explain(tx, proposal_id, ask(), reason.strip(), code), urgent=True
        )
        if refusal is not None:
            raise refusal

    async def resolve_proposal(
        self, proposal_id: int, *, happened: bool, by: Caller, reason: str, evidence: str = ""
    ) -> ActionProposal:
        """Record a named person's word on an attempt whose outcome is unknown. Needs a reason."""
        if not reason.strip():
            raise BadRequestError("Say how you know: the reason stands in the audit log beside your name.")
        ask = await self._asked(by)
        return await self._decide(
            lambda tx: self._decisions.resolve(
                tx, proposal_id, ask(), happened=happened, reason=reason.strip(), evidence=evidence
            )
        )

    def may_begin(self, proposal: ActionProposal) -> bool:
        """Return whether the time has come that was set when it was approved."""
        return proposal.not_before is None or self._clock.now() >= proposal.not_before

    async def execute_proposal(self, proposal_id: int) -> ActionProposal:
        """Run an approved proposal, once: claim it, send it, look whether it worked, write the result down.

        Returns the proposal as it ended; a failing action is an outcome, not an error. If this task is cancelled while
        the action runs, the outcome is recorded as unknown before `CancelledError` goes on.

        Raises:
            NotAllowedError, ConflictError, NotFoundError: it was not claimed, and nothing was sent
            TargetUnavailableError: the target could not be read; it stays approved
            StorageError: it was not claimed; or its result could not be written for as long as the lease lasts, and is
                found out by looking
        """
        await self._run(await self._claim(proposal_id))
        return await self._proposal(proposal_id)

    async def _claim(self, proposal_id: int) -> Claim:
        proposal = await self._proposal(proposal_id)
        (preview, read_at), standings = await asyncio.gather(self._read(proposal), self._standings(proposal_id))
        ready = Readiness(preview=preview, read_at=read_at, standings=standings)
        claiming = asyncio.ensure_future(
            self._decide(lambda tx: self.attempts.claim(tx, proposal_id, ready, self._clock.now()))
        )
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await _undisturbed(self._give_back(claiming))
            raise

    async def _give_back(self, claiming: asyncio.Future[Claim]) -> None:
        await asyncio.wait([claiming])
        if claiming.exception() is None:
            claim = claiming.result()
            end = Ending.failed("Interrupted before anything was sent", FailureOutcome.NO_EFFECT)
            await self._finish(claim.proposal, claim.record, end)

    async def _run(self, claim: Claim) -> None:
        run = Run(
            store=self._store,
            clock=self._clock,
            kill_files=self._kill_files,
            publisher=self._publisher,
            claim=claim,
            definition=self._registry.get(claim.proposal.action_name),
            lease=self._timing.lease,
            verify_interval=self._timing.verify_interval,
        )
        try:
            end = await run.to_the_end()
        except BaseException as error:  # boundary: cancellation or shutdown; what was sent may have happened
            interrupted = Ending.unknown(f"Interrupted ({type(error).__name__})")
            await _undisturbed(self._finish(run.claimed, run.record, interrupted))
            raise
        await _undisturbed(self._finish(run.claimed, run.record, end))

    async def _finish(self, claimed: ActionProposal, record: ActionRecord, end: Ending) -> None:
        deadline = self._clock.monotonic() + self._timing.lease.total_seconds()
        while True:
            try:
                await self._write(
                    lambda tx: self.attempts.finish(tx, claimed, record, end, self._clock.now()), urgent=True
                )
                break
            except StorageError as error:
                log.warning("action %d: the result (%s) waits: %s", claimed.id, end.row.event, error)
                if self._clock.monotonic() >= deadline:
                    raise
                await self._clock.sleep(self._timing.finish_interval)
        self._publisher.changed()

    def _draft(self, proposition: Proposition, definition: ActionDefinition[Any]) -> ActionProposal:
        parameters = validate_action_params(definition, proposition.recommendation.parameters)
        return self._drafts.new(proposition, definition, parameters, self._clock.now())

    async def _follow(
        self, earlier: ActionProposal, draft: ActionProposal | OperatorError, by: Caller
    ) -> ActionProposal:
        """Propose what follows on *earlier*, or say why not; but first of all say that somebody may not."""
        ask = await self._asked(by)

        def work(tx: Transaction) -> Outcome:
            asked = admitted(tx, self._policy, Verb.PROPOSE, earlier.id, ask())
            if isinstance(asked, OperatorError):
                return asked
            if isinstance(draft, OperatorError):
                return draft
            last = newest_from(tx, draft.source_key)
            if last is None:
                return self._propose(tx, draft, by)
            if last.status in {CANCELLED, EXPIRED}:
                return self._propose(tx, replace(draft, source_key=once_more_source(draft.source_key, last.id)), by)
            return last if last.params_hash == draft.params_hash else _asked_otherwise(earlier, last)

        return await self._decide(work)

    def _propose(self, tx: Transaction, draft: ActionProposal, by: Caller) -> Outcome:
        overall, own = lock(tx, draft.subject)
        earlier = tx.proposal_by_source(draft.source_key)
        if earlier is not None:
            return earlier
        control = effective(tx, draft.subject)
        if control.mode is not SafetyMode.EXECUTE or self._kill_files.present(draft.subject):
            return ObserveOnlyError(control.scope)
        living = replace(draft, epoch=overall.epoch, subject_epoch=own.epoch)
        refusal = self._limits.refuse_proposal(tx, living, draft.proposed_at)
        if refusal is not None:
            _note_limit(tx, living, refusal, by)
            return refusal
        born = bear_in_place(tx, living, (), by=by, at=draft.proposed_at)
        return born if born is not None else ObserveOnlyError(control.scope)

    def _validate(self, tx: Transaction, proposal_id: int, preview: Preview) -> Outcome:
        by = Caller(actor=Actor.system("validator"), via=Via.SYSTEM)
        proposal = tx.proposal(proposal_id)
        if proposal is None:
            return UnknownProposalError(proposal_id)
        overall, own = lock(tx, proposal.subject)
        if proposal.status is not PROPOSED:
            return NotReadyError(proposal_id, proposal.status, "validated")
        if is_of_earlier_epoch(proposal, overall, own):
            stand_down(tx, proposal, overall, own, at=self._clock.now())
            return KilledError("it was proposed before the last stop")
        problem = preview.refusal
        changes: dict[str, object]
        if problem is not None:
            changes = {"reason_code": ReasonCode.INVALID, "detail": problem, "impact": preview.impact}
            data = {"reason_code": ReasonCode.INVALID.value, "why": problem}
            return transition(tx, REJECT, proposal, by=by, at=self._clock.now(), changes=changes, data=data) or proposal
        changes = {"pins": preview.pins, "before": preview.before, "impact": preview.impact}
        validated = transition(tx, VALIDATE, proposal, by=by, at=self._clock.now(), changes=changes)
        if validated is None:
            return proposal
        ready = self._decisions.approve_by_rule(tx, validated, self._clock.now())
        self._timing.reminders.begin(tx, ready, self._clock.now())
        return ready

    def _show_waiting(self, tx: Transaction, proposal_id: int) -> None:
        # Once: it is tried again every second, and the card would say the same.
        if tx.message(OutboxKind.CARD, str(proposal_id)) is None:
            tx.enqueue(OutboxKind.CARD, str(proposal_id), at=self._clock.now())

    async def _read(self, proposal: ActionProposal) -> tuple[Preview, datetime]:
        return await self._preview(proposal), self._clock.now()

    async def _preview(self, proposal: ActionProposal) -> Preview:
        changed = why_not_offered(self._registry, proposal)
        if changed is not None:
            return _refused(changed)
        definition = self._registry.get(proposal.action_name)
        try:
            async with asyncio.timeout(self._timing.preview_timeout):
                return _storable(await definition.preview(parameters_of(definition, proposal)))
        except TimeoutError:
            raise TargetUnavailableError(
                f"{proposal.target_key} did not answer within {self._timing.preview_timeout:g} s"
            ) from None
        except TargetUnavailableError:
            raise
        except Exception as error:  # boundary: a fault in a subject ends this proposal; the next look would meet it too
            log.exception("action %d cannot be checked", proposal.id)
            return _refused(f"a fault in this program keeps it from being checked ({type(error).__name__})")

    async def _standings(self, proposal_id: int) -> Mapping[str, Standing]:
        approvals, review = await self._store.read(
            lambda reader: (reader.approvals(proposal_id), reader.review(proposal_id))
        )
        actors = sorted({approval.actor for approval in approvals} | ({review.opened_by} if review else set()))
        found = await asyncio.gather(*(self._directory.standing(Actor.parse(actor)) for actor in actors))
        return dict(zip(actors, found, strict=True))

    async def _asked(self, by: Caller, seen: Seen | None = None, proposal_id: int | None = None) -> Callable[[], Ask]:
        standing = await self._directory.standing(by.actor)
        reading = None if proposal_id is None else self.last_reading(proposal_id)
        # Dated when the transaction runs: what had to wait for the database may have expired meanwhile.
        return lambda: Ask(by=by, standing=standing, at=self._clock.now(), seen=seen, reading=reading)

    async def _proposal(self, proposal_id: int) -> ActionProposal:
        found = await self._store.read(lambda reader: reader.proposal(proposal_id))
        if found is None:
            raise UnknownProposalError(proposal_id)
        return found

    async def _decide(self, work: Callable[[Transaction], T | OperatorError], *, urgent: bool = True) -> T:
        outcome = await self._write(work, urgent=urgent)
        self._publisher.changed()
        if isinstance(outcome, OperatorError):
            raise outcome
        return outcome

    async def _write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        try:
            return await self._store.write(work, urgent=urgent)
        except IllegalTransitionError as error:
            data = {"transition": error.transition}
            by = Caller(actor=Actor.system("executor"), via=Via.SYSTEM)
            at = self._clock.now()
            proposal_id = error.proposal_id
            await self._store.write(lambda tx: note(tx, "illegal", by=by, at=at, proposal_id=proposal_id, data=data))
            raise


def _not_retryable(proposal: ActionProposal) -> ConflictError:
    return ConflictError(
        f"Action {proposal.id} is {proposal.status.value}; only what failed without any effect can be tried again."
    )


def _asked_otherwise(earlier: ActionProposal, last: ActionProposal) -> OperatorError:
    return ConflictError(
        f"Action {last.id} follows on action {earlier.id} already, with other parameters, and is {last.status.value}. "
        "Nothing was changed; edit or cancel that one."
    )


def _note_limit(tx: Transaction, draft: ActionProposal, refusal: LimitError, by: Caller) -> None:
    at = draft.proposed_at
    if tx.take_inbox(f"limited:{draft.source_key}", body_hash="", reply="", at=at) is not None:
        return  # whoever asks again and again does not fill the log
    data: dict[str, Json] = {
        "action": draft.action_name,
        "target": draft.target_key,
        "diagnosis_id": draft.diagnosis_id,
        "why": str(refusal),
    }
    note(tx, "limited", by=by, at=at, data=data)


def _storable(preview: Preview) -> Preview:
    canonical_json(
        [preview.pins, preview.before, preview.refusal, [[fact.label, fact.value] for fact in preview.impact]]
    )
    return preview


def _offers(reading: Reading | None) -> tuple[str | None, str]:
    return (reading.preview.refusal, reading.drift) if reading is not None else (None, "")


def _refused(why: str) -> Preview:
    return Preview(impact=(), pins={}, refusal=why)


async def _undisturbed(work: Awaitable[None]) -> None:
    # Cancellation waits until the work is done: what was sent must not be left without a result.
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    task.result()
