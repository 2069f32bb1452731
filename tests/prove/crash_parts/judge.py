"""What must hold when a process was killed: nothing lost, nothing twice, audit = state, and every unknown settled."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from actions.lifecycle import APPROVED, CANCELLED, COMPLETED, EXECUTING, EXPIRED, FAILED, IN_FLIGHT, TERMINAL, UNKNOWN
from actions.models import (
    EVERYTHING,
    ActionProposal,
    ActionStatus,
    AuditEvent,
    FailureOutcome,
    ReasonCode,
    SafetyMode,
    SuccessOutcome,
)
from actions.ports import Reader
from storage.audit_verify import verify
from tests.invariants import check, everything
from tests.prove.crash_parts.processes import PATIENCE
from tests.prove.crash_parts.target import BLIND, PARTS, Ledger, key_of
from tests.prove.crash_parts.world import Place, World

_OTHERS: Final = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@dataclass(kw_only=True, slots=True)
class Judgement:
    """What was found wrong, and what was counted."""

    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Judgement":
        """Return what a judging process wrote."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Keep it for whoever waits."""
        path.write_text(json.dumps(asdict(self)))


def judge(place: Place, *, later: float, then: Callable[[World], Any] | None = None) -> None:
    """Recover with this process, which must be a new one, and write a judgement to the place's folder."""
    asyncio.run(_judge(place, later, then)).write(place.folder / "judgement")


async def _judge(place: Place, later: float, then: Callable[[World], Any] | None) -> Judgement:
    if place.server_url is not None:
        _wait_for_the_dead(place.server_url)
    world, judgement = World(place, later=later), Judgement()
    said = place.journal.lines()
    stored = await world.store.read(_by_id)
    judgement.problems += await world.store.read(lambda reader: list(_found_at_once(reader, world, said)))
    for _ in range(2):  # what is run only now may have been lost as well, or waited for what was unknown
        await world.recover()
        if then is not None:
            await then(world)
        await world.run_approved()
    await world.store.read(lambda reader: _judge_state(reader, world, stored, judgement))
    judgement.problems += await world.store.read(lambda reader: list(lost(reader, said)))
    await world.close()
    judgement.problems += verify(place.url, place.testimony).problems
    judgement.problems += [line["trouble"] for line in place.journal.lines() if "trouble" in line]
    return judgement


def _wait_for_the_dead(url: str) -> None:
    # The server ends the last statement of a killed client, a COMMIT perhaps, before it notices that nobody is there.
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        while connection.execute(_OTHERS).fetchone() != (0,) and time.monotonic() < deadline:
            time.sleep(0.002)


def lost(reader: Reader, said: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what somebody was told and is not there."""
    audit = reader.audit(limit=1_000_000)
    rows = {
        (event.proposal_id, event.data["version"]): event.data["status"] for event in audit if "version" in event.data
    }
    hashes = {event.seq: event.hash for event in audit}
    epochs = {control.scope: control.epoch for control in reader.controls()}
    for line in said:
        for proposal_id, version, status in line.get("proposals", ()):
            if rows.get((proposal_id, version)) != status:
                yield f"lost: proposal {proposal_id} was said to be {status} (version {version})"
        for scope, epoch, mode in line.get("controls", ()):
            if epochs.get(scope, 0) < epoch:
                yield f"lost: {scope} was said to be at {mode} (epoch {epoch})"
        if "seq" in line and line["seq"] and hashes.get(line["seq"]) != line["head"]:
            yield f"lost: the audit was said to have line {line['seq']}"
    kills = Counter(str(event.data["in_flight"]) for event in audit if event.event == "kill_switch")
    answered = Counter(str(line["in_flight"]) for line in said if "in_flight" in line)
    if answered - kills:
        yield f"lost: a kill that was answered (in flight: {', '.join(answered - kills)})"


def _by_id(reader: Reader) -> dict[int, ActionProposal]:
    return {proposal.id: proposal for proposal in everything(reader)}


def _found_at_once(reader: Reader, world: World, said: list[dict[str, Any]]) -> Iterator[str]:
    yield from lost(reader, said)
    yield from _kill_rules(reader.audit(limit=1_000_000), _by_id(reader))
    dropped = sum("dropped" in line for line in said)
    audit = reader.audit(limit=1_000_000)
    kills = sum(event.event == "kill_switch" for event in audit)
    executes = sum((event.data.get("scope"), event.data.get("mode")) == (EVERYTHING, "execute") for event in audit)
    # Whoever switches to execute lifts the kill files that lie there, that of a kill under way among them.
    if dropped > kills + len(world.kill_files.present()) and executes == 1:
        yield "a kill was forgotten: its file is gone, and the database knows nothing of it"


def _kill_rules(audit: list[AuditEvent], proposals: dict[int, ActionProposal]) -> Iterator[str]:
    running: set[int] = set()
    killed: dict[str, int] = {}
    for event in audit:
        if event.event == "kill_switch":
            killed[str(event.data["scope"])], listed = int(str(event.data["epoch"])), event.data["in_flight"]
            if sorted(running, reverse=True) != listed:
                yield f"the kill of line {event.seq} lists {listed}, and {sorted(running)} were running"
        elif event.proposal_id is not None:
            yield from _killed_rightly(event, proposals[event.proposal_id], killed)
            _follow(running, event, event.proposal_id)


def _killed_rightly(event: AuditEvent, proposal: ActionProposal, killed: dict[str, int]) -> Iterator[str]:
    is_old = proposal.epoch < killed.get(EVERYTHING, 0) or proposal.subject_epoch < killed.get(proposal.subject, 0)
    if event.event == "executing" and is_old:
        yield f"proposal {proposal.id} was claimed after the kill that stopped it"
    if event.data.get("reason_code") == ReasonCode.KILL_SWITCH and not killed:
        yield f"proposal {proposal.id} was cancelled by a kill that had not taken place"


def _follow(running: set[int], event: AuditEvent, proposal_id: int) -> None:
    if event.data.get("status") in IN_FLIGHT:
        running.add(proposal_id)
    elif event.data.get("status") in TERMINAL:
        running.discard(proposal_id)


def _judge_state(reader: Reader, world: World, stored: dict[int, ActionProposal], judgement: Judgement) -> None:
    proposals, ledger = everything(reader), world.place.ledger
    try:
        check(reader, _last_parts(proposals, ledger), stored)
    except AssertionError as error:
        judgement.problems.append(str(error))
    attested = {event.proposal_id for event in reader.audit(limit=1_000_000) if event.data.get("attested")}
    once_unknown = {event.proposal_id for event in reader.audit(limit=1_000_000) if event.event == "unknown"}
    effects = ledger.effects()
    for proposal in proposals:
        happened = [effects[key_of(proposal), part] for part in range(PARTS[proposal.action_name])]
        judgement.problems += _misjudged(proposal, happened, attested=proposal.id in attested)
    free = not world.kill_files.present() and reader.control("*").mode is SafetyMode.EXECUTE
    if free:
        judgement.problems += [f"proposal {p.id} stays approved" for p in proposals if p.status is APPROVED]
    judgement.counts = {
        **Counter(f"unknown, then {_verdict(p)}" for p in proposals if p.id in once_unknown and p.id not in attested),
        "unknown, then attested": len(attested),
        "effects": effects.total(),
        "proposals": len(proposals),
        "kill files left": len(world.kill_files.present()),
        "late results": sum(event.event == "late_result" for event in reader.audit(limit=1_000_000)),
    }


def _last_parts(proposals: list[ActionProposal], ledger: Ledger) -> Counter[str]:
    effects = ledger.effects()
    return Counter({key_of(p): effects[key_of(p), PARTS[p.action_name] - 1] for p in proposals})


def _misjudged(proposal: ActionProposal, happened: list[int], *, attested: bool) -> Iterator[str]:
    key, status = key_of(proposal), proposal.status
    if max(happened) > 1:
        yield f"twice: {key} happened {happened} times"
    if status is EXECUTING:
        yield f"stuck: {key} is executing, and nobody executes it"
    if status is UNKNOWN and not key.startswith(BLIND):
        yield f"stuck: {key} is unknown, and could be looked at"
    if attested or status is UNKNOWN:
        return
    due: tuple[ActionStatus, FailureOutcome | SuccessOutcome] = (COMPLETED, SuccessOutcome.CONFIRMED)
    if not all(happened):
        due = (FAILED, FailureOutcome.PARTIAL if any(happened) else FailureOutcome.NO_EFFECT)
    blind = key.startswith(BLIND) and proposal.outcome is SuccessOutcome.ACCEPTED and all(happened)
    if status in {COMPLETED, FAILED} and (status, proposal.outcome) != due and not blind:
        yield f"misjudged: {key} happened {happened} times and is {status} ({proposal.outcome})"
    if status in {CANCELLED, EXPIRED, APPROVED} and any(happened):
        yield f"misjudged: {key} happened {happened} times and is {status}"


def _verdict(proposal: ActionProposal) -> str:
    return f"{proposal.status} ({proposal.outcome})" if proposal.outcome else str(proposal.status)
