"""Back to execute where that takes more than one person."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from actions.errors import BadRequestError, NotAuthorizedError
from actions.lifting import WISH_LASTS
from actions.models import EVERYTHING, Actor, AuditEvent, Caller, SafetyMode, Via
from actions.ports import OutboxKind, Store
from tests.actions.parts import audit, outbox, require_sound
from tests.factories import FixedClock
from tests.rig import ANN, ANN_CLI, BO, CY, MemoryKillFiles, Rig

BO_CLI = Caller(actor=Actor.cli("bo", "host"), via=Via.CLI)
"""Not known as Bo: that login stands for nobody."""


@pytest.fixture
async def rig(store: Store, clock: FixedClock) -> Rig:
    """Stopped, and two people are needed to go on."""
    rig = await Rig(store, MemoryKillFiles(), clock, lift_people=2).start(execute=False)
    await rig.safety.kill_switch(by=BO, reason="stop")
    return rig


async def execute(rig: Rig, by: Caller, *, scope: str = EVERYTHING, reason: str = "all is well") -> str:
    """Ask for execute; return what is there of what is needed, and the mode that holds then."""
    switched = await rig.safety.set_mode(SafetyMode.EXECUTE, by=by, reason=reason, scope=scope)
    return f"{switched.have}/{switched.need} {(await rig.safety.control(scope)).mode.value}"


async def requests(rig: Rig) -> list[AuditEvent]:
    return [event for event in await audit(rig.store) if event.event == "lift_requested"]


async def test_the_last_one_needed_switches(rig: Rig) -> None:
    assert await execute(rig, ANN) == "1/2 observe"
    assert await execute(rig, BO, reason="I looked too") == "2/2 execute"

    last = [event for event in await audit(rig.store) if event.event == "mode_change"][-1]
    assert (last.actor, last.data["people"]) == (str(BO.actor), ["ann", "bo"])
    await require_sound(rig)


async def test_the_channel_is_told_who_wants_it_and_why(rig: Rig) -> None:
    await execute(rig, ANN, reason="  the disk\n is replaced ")

    (line,) = await requests(rig)
    assert line.actor == str(ANN.actor)
    assert line.data == {"scope": "*", "reason": "the disk is replaced", "people": ["ann"], "need": 2}
    assert [item.ref for item in await outbox(rig, OutboxKind.ANNOUNCEMENT)][-1] == str(line.seq)


async def test_one_person_counts_once_whichever_way_they_ask(rig: Rig) -> None:
    for by in (ANN, ANN_CLI, ANN):
        assert await execute(rig, by) == "1/2 observe"

    assert len(await requests(rig)) == 1
    assert await execute(rig, BO) == "2/2 execute"


async def test_whoever_may_not_switch_does_not_count(rig: Rig) -> None:
    await execute(rig, ANN)

    for by in (CY, BO_CLI):
        with pytest.raises(NotAuthorizedError):
            await execute(rig, by)

    assert (await rig.safety.control()).mode is SafetyMode.OBSERVE


async def test_each_of_them_says_why(rig: Rig) -> None:
    await execute(rig, ANN)

    with pytest.raises(BadRequestError, match="needs a reason"):
        await execute(rig, BO, reason=" ")

    assert (await rig.safety.control()).mode is SafetyMode.OBSERVE


async def stop_by_kill(rig: Rig, scope: str) -> None:
    await rig.safety.kill_switch(by=BO, scope=scope)


async def stop_by_mode(rig: Rig, scope: str) -> None:
    await rig.safety.set_mode(SafetyMode.OBSERVE, by=BO, scope=scope)


@pytest.mark.parametrize("stop", [stop_by_kill, stop_by_mode])
async def test_a_new_stop_voids_what_was_asked_before_it(rig: Rig, stop: Callable[[Rig, str], Awaitable[None]]) -> None:
    await execute(rig, ANN)
    await stop(rig, EVERYTHING)

    assert await execute(rig, BO) == "1/2 observe"
    assert await execute(rig, ANN) == "2/2 execute"


async def test_stopping_everything_voids_what_was_asked_for_one_subject(rig: Rig) -> None:
    await rig.safety.kill_switch(by=BO, reason="stop", scope="rack")
    await execute(rig, ANN, scope="rack")
    await rig.safety.kill_switch(by=BO, reason="stop")

    assert await execute(rig, BO, scope="rack") == "1/2 observe"


async def test_stopping_another_subject_voids_nothing(rig: Rig) -> None:
    await execute(rig, ANN)
    await rig.safety.kill_switch(by=BO, reason="stop", scope="shelf")

    assert await execute(rig, BO) == "2/2 execute"


async def test_who_asked_for_one_subject_did_not_ask_for_another_or_for_everything(rig: Rig) -> None:
    await rig.safety.kill_switch(by=BO, reason="stop", scope="rack")
    await rig.safety.kill_switch(by=BO, reason="stop", scope="shelf")
    await execute(rig, ANN, scope="rack")

    for scope in ("shelf", EVERYTHING):
        assert await execute(rig, BO, scope=scope) == "1/2 observe"


async def test_a_wish_counts_for_ten_minutes(rig: Rig, clock: FixedClock) -> None:
    await execute(rig, ANN)
    clock.advance(WISH_LASTS.total_seconds() + 1)
    assert await execute(rig, BO) == "1/2 observe"

    clock.advance(WISH_LASTS.total_seconds())
    assert await execute(rig, ANN) == "2/2 execute"
    assert [event.actor for event in await requests(rig)] == [str(ANN.actor), str(BO.actor)]


async def test_who_asks_again_is_waited_for_from_then_on(rig: Rig, clock: FixedClock) -> None:
    for _ in range(3):
        await execute(rig, ANN)
        clock.advance(WISH_LASTS.total_seconds())

    assert await execute(rig, BO) == "2/2 execute"


async def test_execute_in_execute_asks_nobody(rig: Rig) -> None:
    await execute(rig, ANN)
    await execute(rig, BO)

    assert await execute(rig, ANN) == "1/1 execute"
    assert len(await requests(rig)) == 1


async def test_to_stop_one_person_is_enough(rig: Rig) -> None:
    await execute(rig, ANN)
    await execute(rig, BO)

    await rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)

    assert (await rig.safety.control()).mode is SafetyMode.OBSERVE


async def test_a_kill_that_only_a_file_knows_of_is_lifted_by_two_as_well(rig: Rig) -> None:
    await execute(rig, ANN)
    await execute(rig, BO)
    rig.kill_files.drop()

    assert await execute(rig, ANN) == "1/2 observe"
    assert rig.kill_files.present() != []
    assert await execute(rig, BO) == "2/2 execute"
    assert rig.kill_files.present() == []


async def test_two_who_ask_at_the_same_moment_switch(rig: Rig) -> None:
    await asyncio.gather(execute_quietly(rig, ANN), execute_quietly(rig, BO))

    assert (await rig.safety.control()).mode is SafetyMode.EXECUTE


async def execute_quietly(rig: Rig, by: Caller) -> None:
    await rig.safety.set_mode(SafetyMode.EXECUTE, by=by, reason="all is well")


async def test_with_five_needed_four_are_not_enough(store: Store, clock: FixedClock) -> None:
    rig = await Rig(store, MemoryKillFiles(), clock, lift_people=5).start(execute=False)

    assert await execute(rig, ANN) == "1/5 observe"
    assert await execute(rig, BO) == "2/5 observe"
    assert len(await requests(rig)) == 2
