"""Two processes, one database: everything is decided once, and a kill reaches everyone."""

import asyncio
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from actions.models import ActionStatus
from tests.invariants import check, everything
from tests.rig import ANN, Rig

Start = Callable[..., subprocess.Popen[str]]
Operator = Callable[..., subprocess.CompletedProcess[str]]


async def test_a_thousand_proposals_approved_and_cancelled_at_once_are_each_decided_once(
    shared: Rig, start: Start
) -> None:
    for number in range(1_000):
        await shared.propose(f"i{number}")
    approver = await asyncio.to_thread(start, "tests.processes.decider", "approve", 1_000)
    canceller = await asyncio.to_thread(start, "tests.processes.decider", "cancel", 1_000)
    await asyncio.to_thread(_go, approver)
    approvals, cancellations = await asyncio.gather(
        asyncio.to_thread(approver.communicate), asyncio.to_thread(canceller.communicate, "go\n")
    )

    approved, cancelled = (_won(said[0]) for said in (approvals, cancellations))
    stored = await shared.store.read(everything)
    audit = await shared.auditor.events(limit=1_000_000)
    by_status = {status: {p.id for p in stored if p.status is status} for status in ActionStatus}
    assert by_status[ActionStatus.CANCELLED] == cancelled
    assert by_status[ActionStatus.APPROVED] == approved - cancelled, "an approved one may be cancelled afterwards"
    assert approved | cancelled == set(range(1, 1_001))
    assert approved, "the race was none: the canceller always won"
    assert cancelled, "the race was none: the approver always won"
    assert sum(event.event == "approved" for event in audit) == len(approved)
    assert sum(event.event == "cancelled" for event in audit) == len(cancelled)
    await shared.store.read(lambda reader: check(reader, shared.target.ledger, {}))


async def test_effects_that_begin_after_a_kill_from_the_command_line_are_all_in_its_answer(
    shared: Rig, start: Start, operator: Operator, tmp_path: Path
) -> None:
    for number in range(100):
        await shared.approved(f"i{number}")
    await asyncio.to_thread(start, "tests.processes.worker", "inf", 0.02)
    await _claimed(shared)
    answer = await asyncio.to_thread(operator, "actions", "kill-switch", "--reason", "test", "--json")
    killed_at = time.monotonic()
    assert answer.returncode == 0, answer.stderr
    (tmp_path / "go").touch()
    await _nothing_executing(shared)

    listed = {int(one["id"]) for one in json.loads(answer.stdout)["in_flight"]}
    keys = {p.parameters["item"]: p.id for p in await shared.store.read(everything)}
    began = [(float(at), keys[item]) for at, item in map(str.split, (tmp_path / "ledger").read_text().splitlines())]
    after = {proposal_id for at, proposal_id in began if at > killed_at}
    print(f"effects begun after the kill: {len(after)} of {len(began)}; listed: {len(listed)}")
    assert after, "nothing began after the kill: the test proves nothing"
    assert after <= listed
    assert len(began) == len({proposal_id for _, proposal_id in began})
    await _settled(shared)


async def test_with_the_database_locked_a_kill_exits_4_and_no_new_claim_passes(
    shared: Rig, start: Start, operator: Operator, tmp_path: Path
) -> None:
    waiting = [await shared.propose(f"i{number}") for number in range(20)]
    await asyncio.to_thread(start, "tests.processes.worker", 0.0, 0.0)
    lock = sqlite3.connect(tmp_path / "operator.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    answer = await asyncio.to_thread(operator, "actions", "kill-switch", "--reason", "test")
    lock.execute("ROLLBACK")
    lock.close()

    assert answer.returncode == 4, answer.stderr
    assert shared.kill_files.present()
    for proposal_id in waiting:
        shared.kill_files.remove([])
        with_file = await _refusal(shared, proposal_id)
        assert "kill-" in with_file
    assert not (tmp_path / "ledger").read_text()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "begun\n"


def _won(said: str) -> set[int]:
    return {int(line.split()[0]) for line in said.splitlines() if line.endswith(" won")}


async def _refusal(rig: Rig, proposal_id: int) -> str:
    try:
        await rig.executor.approve_proposal(proposal_id, by=ANN)
    except Exception as error:  # noqa: BLE001 - boundary: whatever it is, its text is what is asserted
        return str(error)
    return "approved"


async def _claimed(rig: Rig) -> None:
    while not await rig.store.read(lambda reader: reader.proposals(statuses=[ActionStatus.EXECUTING])):
        await asyncio.sleep(0.01)


async def _nothing_executing(rig: Rig) -> None:
    while await rig.store.read(lambda reader: reader.proposals(statuses=[ActionStatus.EXECUTING])):
        await asyncio.sleep(0.05)


async def _settled(rig: Rig) -> None:
    pending = [ActionStatus.PROPOSED, ActionStatus.VALIDATED, ActionStatus.APPROVED]
    assert not await rig.store.read(lambda reader: reader.proposals(statuses=pending))
