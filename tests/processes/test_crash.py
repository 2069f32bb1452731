"""kill -9 while an action runs: afterwards it is unknown, then looked at, then settled by what is there."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from actions.models import ActionProposal, ActionStatus, FailureOutcome, SuccessOutcome
from bot.system import is_dead
from tests.invariants import check
from tests.rig import Rig

Start = Callable[..., subprocess.Popen[str]]


@pytest.mark.parametrize(("before", "after", "happened"), [(600, 0, False), (0, 600, True)])
async def test_an_action_whose_process_was_killed_is_unknown_and_then_settled_by_looking(
    shared: Rig, start: Start, tmp_path: Path, before: float, after: float, happened: bool
) -> None:
    proposal_id = await shared.approved("a")
    worker = await asyncio.to_thread(start, "tests.processes.worker", before, after)
    await _until_it_runs(shared, tmp_path / "ledger", happened=happened)
    os.kill(worker.pid, signal.SIGKILL)
    await asyncio.to_thread(worker.wait)
    assert (await _proposal(shared, proposal_id)).status is ActionStatus.EXECUTING

    assert await shared.reconciler.recover(partial(is_dead, me="somebody/else/now")) == 1
    assert (await _proposal(shared, proposal_id)).status is ActionStatus.UNKNOWN
    shared.target.ledger.update(line.split()[1] for line in (tmp_path / "ledger").read_text().splitlines())
    assert await shared.reconciler.reconcile() == 1

    settled = await _proposal(shared, proposal_id)
    expected = (
        (ActionStatus.COMPLETED, SuccessOutcome.CONFIRMED)
        if happened
        else (ActionStatus.FAILED, FailureOutcome.NO_EFFECT)
    )
    assert (settled.status, settled.outcome) == expected
    await shared.store.read(lambda reader: check(reader, shared.target.ledger, {}))


async def test_what_a_living_process_runs_is_left_to_it(shared: Rig, start: Start, tmp_path: Path) -> None:
    await shared.approved("a")
    await asyncio.to_thread(start, "tests.processes.worker", 0, 600)
    await _until_it_runs(shared, tmp_path / "ledger", happened=True)

    assert await shared.reconciler.recover(partial(is_dead, me="somebody/else/now")) == 0


async def _until_it_runs(rig: Rig, ledger: Path, *, happened: bool) -> None:
    async with asyncio.timeout(20):
        while not await rig.store.read(lambda reader: reader.proposals(statuses=[ActionStatus.EXECUTING])):
            await asyncio.sleep(0.02)
        while happened and not ledger.read_text():
            await asyncio.sleep(0.02)


async def _proposal(rig: Rig, proposal_id: int) -> ActionProposal:
    found = await rig.store.read(lambda reader: reader.proposal(proposal_id))
    assert found is not None
    return found
