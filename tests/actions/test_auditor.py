"""The audit log is read in windows, and its head is given to a witness."""

from datetime import timedelta

import pytest

from actions.auditor import ActionAuditor
from actions.models import Checkpoint
from tests.actions.parts import audit
from tests.factories import FixedClock
from tests.rig import Rig


async def test_a_checkpoint_is_of_what_is_durable(rig: Rig) -> None:
    await rig.propose("a")

    checkpoint = await rig.auditor.checkpoint()

    lines = await audit(rig.store)
    assert rig.witness.kept == [checkpoint]
    assert (checkpoint.seq, checkpoint.count, checkpoint.head) == (len(lines), len(lines), lines[-1].hash)
    assert (lines[-1].event, lines[-1].data) == ("checkpoint", {"witness": "test"})


async def test_a_witness_that_fails_is_heard_of(rig: Rig) -> None:
    class Full:
        name = "full"

        async def keep(self, checkpoint: Checkpoint) -> None:
            raise OSError(28, f"No space left on device for {checkpoint.seq}")

    with pytest.raises(OSError, match="No space left"):
        await ActionAuditor(store=rig.store, witness=Full(), clock=rig.clock).checkpoint()


async def test_events_are_read_by_proposal_and_by_time(rig: Rig, clock: FixedClock) -> None:
    first = await rig.propose("a")
    clock.advance(60)
    second = await rig.propose("b")
    minute = clock.now()

    assert [event.event for event in await rig.auditor.events(proposal_id=first)] == ["proposed", "validated"]
    assert {event.proposal_id for event in await rig.auditor.events(since=minute)} == {second}
    assert second not in {event.proposal_id for event in await rig.auditor.events(until=minute)}
    later = await rig.auditor.events(since=minute - timedelta(seconds=60), until=minute + timedelta(seconds=1))
    assert {first, second} <= {event.proposal_id for event in later}
    assert [event.seq for event in await rig.auditor.events(after_seq=2, limit=2)] == [3, 4]


async def test_starts_and_stops_are_written_down(rig: Rig) -> None:
    await rig.auditor.started("run")
    await rig.auditor.stopped("run")

    assert [(event.event, event.actor) for event in await audit(rig.store) if event.event in {"start", "stop"}] == [
        ("start", "system:run"),
        ("stop", "system:run"),
    ]
