"""Turns recommendations into decisions, and decisions into effects: each at most once. Knows neither Slack nor SQL."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from actions.attempt import Attempts, Claim, Ending, Readiness, parameters_of
from actions.canonical import Json, canonical_json, digest
from actions.decisions import Ask, Decisions, Outcome, button_hash, why_not_offered
from actions.diagnosis.models import ActionRecommendation
from actions.errors import (
    BadRequestError,
    IllegalTransitionError,
    KilledError,
    NotReadyError,
    ObserveOnlyError,
    OperatorError,
    StorageError,
    TargetUnavailableError,
    UnknownProposalError,
)
from actions.lifecycle import PROPOSED, REJECT, VALIDATE
from actions.models import (
    ActionProposal,
    ActionRecord,
    Actor,
    Caller,
    FailureOutcome,
    ReasonCode,
    Risk,
    SafetyMode,
    Seen,
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
from actions.registry import ActionDefinition, ActionRegistry, Preview
from actions.run import Run
from actions.safety import effective, is_of_earlier_epoch, lock, stand_down
from actions.transitions import bear, note, transition
from actions.validation import canonical_parameters, validate_action_params

T = TypeVar("T")
log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposition:
    """A recommendation together with where it comes from."""

    recommendation: ActionRecommendation
    source_key: str
    """Unique for this recommendation; the same key again returns the proposal made the first time."""
    by: Caller
    diagnosis_id: int | None = None
    channel: str | None = None
    retry_of: int | None = None


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
    ) -> None:
        self._store = store
        self._registry = registry
        self._policy = policy
        self._directory = directory
        self._kill_files = kill_files
        self._clock = clock
        self._entropy = entropy
        self._button_tokens = button_tokens
        self._publisher = publisher
        self._timing = timing or Timing()
        self._decisions = Decisions(
            policy=policy,
            registry=registry,
            kill_files=kill_files,
            approval_lifetime=self._timing.approval_lifetime,
        )
        self._attempts = Attempts(
            policy=policy, registry=registry, kill_files=kill_files, owner=owner, lease=self._timing.lease
        )

    async def propose_action(self, proposition: Proposition) -> ActionProposal:
        """Store a recommendation as a proposal; the same source again returns the proposal made the first time.

        Raises:
            UnknownActionError, BadParametersError, ObserveOnlyError, StorageError
        """
        definition = self._registry.get(proposition.recommendation.action_name)
        parameters = validate_action_params(definition, proposition.recommendation.parameters)
        draft = self._draft(proposition, definition, canonical_parameters(parameters), definition.target(parameters))
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
        return await self._decide(lambda tx: self._validate(tx, proposal_id, preview), urgent=False)

    async def approve_proposal(self, proposal_id: int, *, by: Caller, seen: Seen | None = None) -> ActionProposal:
        """Count one person's approval of exactly what was *seen*; with the last one needed it is approved.

        A repeated delivery of the same interaction changes nothing and gets the first answer.

        Raises:
            NotAllowedError, ConflictError, NotFoundError, StorageError; what was denied stands in the audit log by then
        """
        ask = await self._asked(by, seen)
        return await self._decide(lambda tx: self._decisions.approve(tx, proposal_id, ask()))

    async def cancel_proposal(self, proposal_id: int, *, by: Caller, reason: str = "") -> ActionProposal:
        """Cancel what is still pending, or raise `AlreadyDecidedError`. Possible in every mode."""
        ask = await self._asked(by)
        return await self._decide(lambda tx: self._decisions.cancel(tx, proposal_id, ask(), reason.strip()))

    async def explain_cancellation(self, proposal_id: int, *, by: Caller, reason: str) -> None:
        """Write down why someone cancelled; the proposal stays as it is.

        Raises:
            NotAuthorizedError, UnknownProposalError, NotReadyError (it was not cancelled by a person)
        """
        ask = await self._asked(by)
        refusal = await self._write(
            lambda tx: self._decisions.explain(tx, proposal_id, ask(), reason.strip()), urgent=True
        )
        if refusal is not None:
            raise refusal

    async def resolve_proposal(self, proposal_id: int, *, happened: bool, by: Caller, reason: str) -> ActionProposal:
        """Record a named person's word on an attempt whose outcome is unknown. Needs a reason."""
        if not reason.strip():
            raise BadRequestError("Say how you know: the reason stands in the audit log beside your name.")
        ask = await self._asked(by)
        return await self._decide(
            lambda tx: self._decisions.resolve(tx, proposal_id, ask(), happened=happened, reason=reason.strip())
        )

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
            self._decide(lambda tx: self._attempts.claim(tx, proposal_id, ready, self._clock.now()))
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
                    lambda tx: self._attempts.finish(tx, claimed, record, end, self._clock.now()), urgent=True
                )
                break
            except StorageError as error:
                log.warning("action %d: the result (%s) waits: %s", claimed.id, end.row.event, error)
                if self._clock.monotonic() >= deadline:
                    raise
                await self._clock.sleep(self._timing.finish_interval)
        self._publisher.changed()

    def _draft(
        self,
        proposition: Proposition,
        definition: ActionDefinition[Any],
        parameters: Mapping[str, Json],
        target: str,
    ) -> ActionProposal:
        now = self._clock.now()
        token = self._entropy.token()
        said = proposition.recommendation
        quorum = self._policy.quorum(subject=definition.subject, action_name=definition.name, risk=definition.risk)
        return ActionProposal(
            id=0,
            token=token,
            button_hash=button_hash(self._button_tokens.token_for(token)),
            source_key=proposition.source_key,
            action_name=definition.name,
            definition_hash=definition.definition_hash,
            parameters=parameters,
            params_hash=digest(parameters),
            subject=definition.subject,
            target=target,
            risk=definition.risk,
            required_approvals=quorum.people,
            reason=said.reason,
            urgency=said.urgency,
            expected_outcome=said.expected_outcome,
            risks=said.risks,
            proposed_by=str(proposition.by.actor),
            proposed_at=now,
            expires_at=now + self._timing.proposal_lifetime[definition.risk],
            epoch=0,
            subject_epoch=0,
            diagnosis_id=proposition.diagnosis_id,
            channel=proposition.channel,
            retry_of=proposition.retry_of,
        )

    def _propose(self, tx: Transaction, draft: ActionProposal, by: Caller) -> Outcome:
        overall, own = lock(tx, draft.subject)
        earlier = tx.proposal_by_source(draft.source_key)
        if earlier is not None:
            return earlier
        control = effective(tx, draft.subject)
        if control.mode is not SafetyMode.EXECUTE or self._kill_files.present():
            return ObserveOnlyError(control.scope)
        living = replace(draft, epoch=overall.epoch, subject_epoch=own.epoch)
        born = bear(tx, living, by=by, at=draft.proposed_at)
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
        return transition(tx, VALIDATE, proposal, by=by, at=self._clock.now(), changes=changes) or proposal

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
        approvals = await self._store.read(lambda reader: reader.approvals(proposal_id))
        actors = sorted({approval.actor for approval in approvals})
        found = await asyncio.gather(*(self._directory.standing(Actor.parse(actor)) for actor in actors))
        return dict(zip(actors, found, strict=True))

    async def _asked(self, by: Caller, seen: Seen | None = None) -> Callable[[], Ask]:
        standing = await self._directory.standing(by.actor)
        # Dated when the transaction runs: what had to wait for the database may have expired meanwhile.
        return lambda: Ask(by=by, standing=standing, at=self._clock.now(), seen=seen)

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


def _storable(preview: Preview) -> Preview:
    canonical_json(
        [preview.pins, preview.before, preview.refusal, [[fact.label, fact.value] for fact in preview.impact]]
    )
    return preview


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
