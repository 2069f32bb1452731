"""The agent: observes every subject, keeps tickets, diagnoses, and hands in what it found."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from actions.agent.intake import Intake, Receipt, Submission
from actions.agent.retries import Retries
from actions.agent.tickets import Found, is_due, link, next_diagnosis, ticket_key, update
from actions.agent.unreachable import HOLD, UNREACHABLE, unreachable
from actions.diagnosis.models import Diagnosis, DiagnosisOutput, Refused, Ticket
from actions.drafts import Proposition
from actions.errors import (
    BadParametersError,
    NotAllowedError,
    NotFoundError,
    OperatorError,
    TargetUnavailableError,
)
from actions.executor import ActionExecutor
from actions.models import Actor, ActorKind, Caller, SafetyMode, Via
from actions.ports import Clock, KillFiles, Publisher, Reader, Store, Transaction
from actions.registry import ActionRegistry
from actions.safety import combined_epoch, effective
from actions.subject import Finding, Observation, Rule, Subject

log = logging.getLogger(__name__)

MAX_EVIDENCE: Final = 100
"""How many lines of evidence a diagnosis takes."""
AGENT = Caller(actor=Actor(ActorKind.AGENT, "rules"), via=Via.AGENT)


@dataclass(frozen=True, slots=True)
class _Due:
    ticket: Ticket
    source_key: str
    rule: str
    output: DiagnosisOutput
    epoch: int


@dataclass(frozen=True, slots=True)
class Look:
    """What one observation shows."""

    found: Found
    is_gone: Callable[[Ticket], bool]
    """Whether an open ticket that is not in `found` is known to be over."""


class AgentRunner:
    """Polls subjects and diagnoses what is wrong. With no executor it only observes and diagnoses."""

    def __init__(
        self,
        *,
        subjects: Collection[Subject],
        store: Store,
        registry: ActionRegistry,
        kill_files: KillFiles,
        clock: Clock,
        publisher: Publisher,
        interval: float = 15.0,
        executor: ActionExecutor | None = None,
        retries: Retries | None = None,
    ) -> None:
        self._executor = executor
        self._retries = retries or Retries()
        self._subjects = tuple(subjects)
        self._store = store
        self._clock = clock
        self._interval = interval
        self._holds: Mapping[tuple[str, str], float] = {
            **{(subject.name, UNREACHABLE): HOLD for subject in self._subjects},
            **{(subject.name, rule.id): rule.hold for subject in self._subjects for rule in subject.rules},
        }
        self._intake = Intake(
            store=store,
            registry=registry,
            subjects=[subject.name for subject in self._subjects],
            kill_files=kill_files,
            clock=clock,
            publisher=publisher,
            executor=executor,
        )

    async def run(self) -> None:
        """Poll every subject until cancelled; one slow subject does not hold up the others."""
        async with asyncio.TaskGroup() as tasks:
            for subject in self._subjects:
                tasks.create_task(self._poll_for_ever(subject), name=f"observe {subject.name}")

    async def poll(self, subject: Subject) -> Receipt | None:
        """Observe once; hand in a diagnosis if one is due, and return what became of it."""
        look = await self._look(subject)
        due = await self._store.write(lambda tx: self._due(tx, subject.name, look))
        await self._try_again(subject.name, look)
        return await self._diagnose(due) if due is not None else None

    async def _try_again(self, subject: str, look: Look) -> None:
        if self._executor is None:
            return
        for proposition in await self._store.read(lambda reader: self._failed(reader, subject, look)):
            try:
                await self._executor.propose_action(proposition)
            except (NotAllowedError, NotFoundError, BadParametersError) as error:
                log.info("action %s is not proposed again: %s", proposition.retry_of, error)

    def _failed(self, reader: Reader, subject: str, look: Look) -> list[Proposition]:
        if effective(reader, subject).mode is not SafetyMode.EXECUTE:
            return []
        now = self._clock.now()
        tickets = (reader.ticket(key) for key in look.found)
        return [one for ticket in tickets if ticket for one in self._retries.due(reader, ticket, by=AGENT, now=now)]

    async def _look(self, subject: Subject) -> Look:
        try:
            observation = await subject.observe()
        except TargetUnavailableError as error:
            log.warning("%s cannot be observed: %s", subject.name, error)
            finding = unreachable(subject.name, str(error), self._clock.now())
            key = ticket_key(subject.name, UNREACHABLE, finding.target)
            return Look(found={key: (UNREACHABLE, finding)}, is_gone=lambda _: False)
        return look_at(subject.name, subject.rules, observation)

    async def _poll_for_ever(self, subject: Subject) -> None:
        while True:
            try:
                await self.poll(subject)
            except OperatorError as error:
                log.warning("%s could not be polled: %s", subject.name, error)
            except Exception:  # boundary: a fault in one rule or reader must not end the watch over everything else
                log.exception("polling %s failed", subject.name)
            await self._clock.sleep(self._interval)

    def _due(self, tx: Transaction, subject: str, look: Look) -> _Due | None:
        now = self._clock.now()
        update(tx, subject, look.found, is_gone=look.is_gone, by=AGENT, at=now)
        for key, (rule, finding) in look.found.items():
            ticket = tx.ticket(key)
            if ticket is None or now < ticket.opened_at + timedelta(seconds=self._holds[subject, rule]):
                continue
            mode, epoch = effective(tx, subject).mode, combined_epoch(tx, subject)
            # The first thing that is wrong speaks; what it hides comes up once it is repaired.
            due = is_due(tx, ticket, mode, epoch, now, can_propose=self._intake.can_propose)
            following = next_diagnosis(tx, ticket, epoch) if due else None
            return _Due(ticket, following[0], rule, _said(finding, ticket, following[1]), epoch) if following else None
        return None

    async def _diagnose(self, due: _Due) -> Receipt:
        receipt = await self._intake.submit(
            Submission(
                output=due.output,
                subject=due.ticket.subject,
                target=due.ticket.target,
                source=f"rule:{due.rule}",
                source_key=due.source_key,
                by=AGENT,
                ticket_key=due.ticket.key,
            )
        )
        # The mode may have changed since it was found due; what counts is the epoch in which it was proposed.
        epochs = [proposal.epoch + proposal.subject_epoch for proposal in receipt.proposals]
        epoch = max(epochs, default=due.epoch)
        await self._store.write(lambda tx: link(tx, due.ticket, receipt.diagnosis, epoch=epoch, at=self._clock.now()))
        return receipt


def _said(finding: Finding, ticket: Ticket, stored: Diagnosis | None) -> DiagnosisOutput:
    # A diagnosis that was stored just before a crash is taken up again as it was.
    if stored is not None:
        return stored.output
    refused = tuple(in_words(one) for one in reversed(ticket.refused))
    evidence = (*refused, *finding.output.supporting_evidence)[:MAX_EVIDENCE]
    return finding.output.model_copy(update={"supporting_evidence": evidence}) if refused else finding.output


def in_words(refused: Refused) -> str:
    """Return what a person said against an earlier proposal, as a line of evidence."""
    why = "; ".join(part for part in (refused.code.replace("_", " "), refused.reason) if part) or "no reason was given"
    at = refused.at[:16].replace("T", " ")
    return f"{refused.by} refused {refused.action_name} for this at {at} UTC: {why}"[:1_000]


def look_at(subject: str, rules: Sequence[Rule[Any]], observation: Observation) -> Look:
    """Return what the rules find in *observation*, in their order. A rule that fails finds nothing and ends nothing."""
    found: dict[str, tuple[str, Finding]] = {}
    failed: set[str] = set()
    for rule in rules:
        try:
            finding = rule.check(observation)
        except Exception:  # boundary: a fault in one rule must not silence the others
            log.exception("%s: the rule %s failed", subject, rule.id)
            failed.add(rule.id)
            continue
        if finding is not None:
            found[ticket_key(subject, rule.id, finding.target)] = (rule.id, finding)
    by_id = {rule.id: rule for rule in rules if rule.id not in failed}

    def is_gone(ticket: Ticket) -> bool:
        rule = by_id.get(ticket.rule)
        return ticket.rule not in failed and (rule is None or rule.can_tell(observation, ticket.target))

    return Look(found, is_gone)
