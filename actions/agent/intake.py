"""Where diagnoses come in: stored first, then each recommendation is proposed or refused by name."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from actions.canonical import Json
from actions.diagnosis.models import ActionRecommendation, Diagnosis, DiagnosisOutput
from actions.drafts import Proposition
from actions.errors import (
    BadParametersError,
    KeyReusedError,
    NotAllowedError,
    NotReadyError,
    ObserveOnlyError,
    OperatorError,
    TargetUnavailableError,
    UnknownSubjectError,
)
from actions.executor import ActionExecutor
from actions.lifecycle import PROPOSED
from actions.models import ActionProposal, Caller, SafetyMode
from actions.ports import Clock, KillFiles, OutboxKind, Publisher, Store, Transaction
from actions.registry import ActionRegistry
from actions.safety import effective
from actions.transitions import note
from actions.validation import validate_action_params

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A recommendation that became no proposal, and every reason why."""

    action_name: str
    errors: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.action_name}: {'; '.join(self.errors)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a diagnosis."""

    diagnosis: Diagnosis
    proposals: tuple[ActionProposal, ...]
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A diagnosis as it was handed in."""

    output: DiagnosisOutput
    subject: str
    target: str
    source: str
    """Who diagnosed: `rule:<id>`, or the name an HTTP client gave."""
    source_key: str
    """Unique: handing in the same again changes nothing and gets the same answer."""
    by: Caller
    channel: str | None = None
    ticket_key: str | None = None


def refusal_of(registry: ActionRegistry, recommendation: ActionRecommendation) -> Refusal | None:
    """Return why this can never become a proposal here: an unknown action, or parameters that do not fit."""
    try:
        validate_action_params(registry.get(recommendation.action_name), recommendation.parameters)
    except OperatorError as error:
        return _refusal(recommendation, error)
    return None


class Intake:
    """Stores diagnoses and proposes what they recommend; without an executor it only stores and shows."""

    def __init__(
        self,
        *,
        store: Store,
        registry: ActionRegistry,
        subjects: Collection[str],
        kill_files: KillFiles,
        clock: Clock,
        publisher: Publisher,
        executor: ActionExecutor | None = None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._subjects = subjects
        self._kill_files = kill_files
        self._clock = clock
        self._publisher = publisher
        self._executor = executor

    async def submit(self, submission: Submission) -> Receipt:
        """Store the diagnosis and propose its recommendations, each at most once.

        In observe mode nothing is proposed: the diagnosis is shown without buttons, and says what it would recommend.

        Raises:
            UnknownSubjectError: nothing was stored
            KeyReusedError: the source key was used before for something else; nothing was stored
            StorageError: nothing, or not all, was stored; hand it in again with the same key
        """
        if submission.subject not in self._subjects:
            raise UnknownSubjectError(submission.subject, sorted(self._subjects))
        diagnosis = await self._store.write(lambda tx: self._store_it(tx, submission))
        if isinstance(diagnosis, KeyReusedError):
            raise diagnosis
        proposals: list[ActionProposal] = []
        refused: list[Refusal] = []
        for index, recommendation in enumerate(diagnosis.output.recommended_actions):
            outcome = await self._propose(diagnosis, submission.by, index, recommendation)
            if isinstance(outcome, Refusal):
                refused.append(outcome)
            else:
                proposals.append(outcome)
        if not proposals:
            await self._show(diagnosis, refused)
        self._publisher.changed()
        return Receipt(diagnosis=diagnosis, proposals=tuple(proposals), refused=tuple(refused))

    def can_propose(self, diagnosis: Diagnosis) -> bool:
        """Return whether anything that it recommends could become a proposal, as far as that does not change."""
        said = diagnosis.output.recommended_actions
        return not diagnosis.observed_only and any(refusal_of(self._registry, one) is None for one in said)

    def _store_it(self, tx: Transaction, submission: Submission) -> Diagnosis | KeyReusedError:
        earlier = tx.diagnosis_by_source(submission.source_key)
        if earlier is not None:
            return earlier if _is_same(earlier, submission) else KeyReusedError(submission.source_key)
        now = self._clock.now()
        mode = effective(tx, submission.subject).mode
        held = self._kill_files.present(submission.subject)
        observing = self._executor is None or mode is not SafetyMode.EXECUTE or bool(held)
        stored = tx.insert_diagnosis(
            submission.output,
            source_key=submission.source_key,
            subject=submission.subject,
            target=submission.target,
            source=submission.source,
            made_at=now,
            observed_only=observing,
            channel=submission.channel,
            ticket_key=submission.ticket_key,
        )
        if stored is None:
            return KeyReusedError(submission.source_key)
        data: dict[str, Json] = {
            "diagnosis_id": stored.id,
            "subject": stored.subject,
            "target": stored.target,
            "source": stored.source,
        }
        note(tx, "diagnosed", by=submission.by, at=now, data=data)
        return stored

    async def _propose(
        self, diagnosis: Diagnosis, by: Caller, index: int, recommendation: ActionRecommendation
    ) -> ActionProposal | Refusal:
        refusal = refusal_of(self._registry, recommendation)
        if refusal is not None:
            return refusal
        if self._executor is None or diagnosis.observed_only:
            return _refusal(recommendation, ObserveOnlyError())
        proposition = Proposition(
            recommendation=recommendation,
            source_key=f"{diagnosis.source_key}/{index}",
            by=by,
            diagnosis_id=diagnosis.id,
            channel=diagnosis.channel,
        )
        try:
            return await self._validated(self._executor, await self._executor.propose_action(proposition))
        except NotAllowedError as error:
            return _refusal(recommendation, error)

    async def _validated(self, executor: ActionExecutor, proposal: ActionProposal) -> ActionProposal:
        if proposal.status is not PROPOSED:
            return proposal
        try:
            return await executor.validate_proposal(proposal.id)
        except TargetUnavailableError:
            return proposal  # the sweeper tries again until the target can be read or the proposal expires
        except NotReadyError:  # while the target was read, the sweeper was faster, or somebody cancelled it
            return await self._store.read(lambda reader: reader.proposal(proposal.id)) or proposal

    async def _show(self, diagnosis: Diagnosis, refused: Sequence[Refusal]) -> None:
        at = self._clock.now()
        why = [] if diagnosis.observed_only else [str(one) for one in refused]
        payload: dict[str, Json] = {"refused": why} if why else {}
        await self._store.write(lambda tx: tx.enqueue(OutboxKind.DIAGNOSIS, str(diagnosis.id), at=at, payload=payload))


def _is_same(earlier: Diagnosis, submission: Submission) -> bool:
    return (earlier.output, earlier.subject, earlier.target, earlier.source) == (
        submission.output,
        submission.subject,
        submission.target,
        submission.source,
    )


def _refusal(recommendation: ActionRecommendation, error: OperatorError) -> Refusal:
    errors = error.problems if isinstance(error, BadParametersError) else (str(error),)
    return Refusal(action_name=recommendation.action_name, errors=errors)
