"""The agent: observes every subject, keeps tickets, diagnoses, and hands in what it found."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from actions.agent.intake import Intake, Receipt, Submission
from actions.agent.tickets import Found, is_due, link, next_diagnosis, ticket_key, update
from actions.diagnosis.models import Diagnosis, DiagnosisOutput, Ticket
from actions.errors import OperatorError, TargetUnavailableError
from actions.executor import ActionExecutor
from actions.models import Actor, ActorKind, Caller, Via
from actions.ports import Clock, KillFiles, Publisher, Store, Transaction
from actions.registry import ActionRegistry
from actions.safety import combined_epoch, effective
from actions.subject import Finding, Observation, Rule, Subject

log = logging.getLogger(__name__)

AGENT = Caller(actor=Actor(ActorKind.AGENT, "rules"), via=Via.AGENT)


@dataclass(frozen=True, slots=True)
class _Due:
    ticket: Ticket
    source_key: str
    rule: str
    output: DiagnosisOutput
    epoch: int


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
    ) -> None:
        self._subjects = tuple(subjects)
        self._store = store
        self._clock = clock
        self._interval = interval
        self._holds: Mapping[str, float] = {
            f"{subject.name}:{rule.id}": rule.hold for subject in self._subjects for rule in subject.rules
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
        try:
            observation = await subject.observe()
        except TargetUnavailableError as error:
            log.warning("%s cannot be observed: %s", subject.name, error)
            return None
        found = findings(subject.name, subject.rules, observation)
        due = await self._store.write(lambda tx: self._due(tx, subject.name, found))
        return await self._diagnose(due) if due is not None else None

    async def _poll_for_ever(self, subject: Subject) -> None:
        while True:
            try:
                await self.poll(subject)
            except OperatorError as error:
                log.warning("%s could not be polled: %s", subject.name, error)
            except Exception:  # boundary: a fault in one rule or reader must not end the watch over everything else
                log.exception("polling %s failed", subject.name)
            await self._clock.sleep(self._interval)

    def _due(self, tx: Transaction, subject: str, found: Found) -> _Due | None:
        now = self._clock.now()
        update(tx, subject, found, by=AGENT, at=now)
        for key, (rule, finding) in found.items():
            ticket = tx.ticket(key)
            if ticket is None or now < ticket.opened_at + timedelta(seconds=self._holds[f"{subject}:{rule}"]):
                continue
            mode, epoch = effective(tx, subject).mode, combined_epoch(tx, subject)
            # The first thing that is wrong speaks; what it hides comes up once it is repaired.
            following = next_diagnosis(tx, ticket, epoch) if is_due(tx, ticket, mode, epoch, now) else None
            return _Due(ticket, following[0], rule, _said(finding, following[1]), epoch) if following else None
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


def _said(finding: Finding, stored: Diagnosis | None) -> DiagnosisOutput:
    # A diagnosis that was stored just before a crash is taken up again as it was.
    return stored.output if stored is not None else finding.output


def findings(subject: str, rules: Sequence[Rule[Any]], observation: Observation) -> Found:
    """Return everything the rules find in *observation*, in their order; pure."""
    found: dict[str, tuple[str, Finding]] = {}
    for rule in rules:
        finding = rule.check(observation)
        if finding is not None:
            found[ticket_key(subject, rule.id, finding.target)] = (rule.id, finding)
    return found
