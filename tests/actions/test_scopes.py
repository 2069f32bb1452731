"""Two subjects: what stops one of them leaves the other alone, in every place that looks at modes, epochs and files."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from actions.errors import KilledError, ObserveOnlyError
from actions.models import EVERYTHING, ReasonCode, SafetyMode
from actions.ports import Store
from actions.registry import Done, Steps
from tests.actions.parts import redefine, require_sound, status
from tests.factories import FixedClock
from tests.rig import ANN, BO, MemoryKillFiles, Rig, Touch

NAMES: Final = ("rack", "shelf")


@dataclass(frozen=True)
class Pair:
    """A rig for each of the two subjects, over one store, on one host."""

    rigs: Mapping[str, Rig]

    @property
    def any(self) -> Rig:
        """Whichever: the mode is one for both."""
        return self.rigs["rack"]

    async def kill(self, scope: str) -> None:
        """Stop, without the time to cancel anything."""
        await self.any.store.write(lambda tx: self.any.safety._kill(tx, by=BO, reason="stop", scope=scope))


@pytest.fixture
async def pair(store: Store, clock: FixedClock) -> Pair:
    files = MemoryKillFiles()
    rigs = {name: Rig(store, files, clock, subject=name, owner=f"host/1/{name}") for name in NAMES}
    for rig in rigs.values():
        await rig.start()
    return Pair(rigs)


async def validate(rig: Rig) -> Callable[[], Awaitable[object]]:
    proposal_id = await rig.propose("a", validate=False)
    return lambda: rig.executor.validate_proposal(proposal_id)


async def approve(rig: Rig) -> Callable[[], Awaitable[object]]:
    proposal_id = await rig.propose("a")
    return lambda: rig.executor.approve_proposal(proposal_id, by=ANN)


async def run(rig: Rig) -> Callable[[], Awaitable[object]]:
    proposal_id = await rig.approved("a")
    return lambda: rig.executor.execute_proposal(proposal_id)


async def propose(rig: Rig) -> Callable[[], Awaitable[object]]:
    return lambda: rig.propose("b", validate=False)


async def edit(rig: Rig) -> Callable[[], Awaitable[object]]:
    proposal_id = await rig.propose("a")
    return lambda: rig.executor.edit_proposal(proposal_id, {"item": "a", "mark": "other"}, by=BO)


async def break_glass(rig: Rig) -> Callable[[], Awaitable[object]]:
    proposal_id = await rig.propose("a")
    return lambda: rig.executor.break_glass(proposal_id, by=ANN, reason="it cannot wait")


async def retry(rig: Rig) -> Callable[[], Awaitable[object]]:
    rig.target.faults["a"] = "refuse"
    proposal_id = await rig.approved("a")
    await rig.executor.execute_proposal(proposal_id)
    return lambda: rig.executor.retry_proposal(proposal_id, by=BO)


async def undo(rig: Rig) -> Callable[[], Awaitable[object]]:
    name = f"{rig.subject}.touch"
    redefine(rig, name, undo=lambda params, _: ("touch", {"item": params.item, "mark": "back"}))
    proposal_id = await rig.approved("a")
    await rig.executor.execute_proposal(proposal_id)
    return lambda: rig.executor.undo_proposal(proposal_id, by=BO)


async def next_step(rig: Rig) -> Callable[[], Awaitable[object]]:
    """Be in the middle of an action, between its two calls."""
    began, going_on = asyncio.Event(), asyncio.Event()

    async def twice(params: Touch, steps: Steps) -> Done:
        async with steps("first"):
            began.set()
        await going_on.wait()
        async with steps("second"):
            rig.target.ledger[params.key] += 1
        return Done(detail="touched twice")

    redefine(rig, f"{rig.subject}.touch", execute=twice)
    proposal_id = await rig.approved("a")
    running = asyncio.create_task(rig.executor.execute_proposal(proposal_id))
    await began.wait()

    async def go_on() -> None:
        going_on.set()
        detail = (await running).detail
        if detail.startswith("Stopped before second"):
            raise KilledError(detail)

    return go_on


PLACES: Final[Mapping[str, Callable[[Rig], Awaitable[Callable[[], Awaitable[Any]]]]]] = {
    "propose": propose,
    "validate": validate,
    "approve": approve,
    "edit": edit,
    "break glass": break_glass,
    "retry": retry,
    "undo": undo,
    "claim": run,
    "next step": next_step,
}
"""What somebody is about to do with a subject, prepared while it may be done."""


async def those_that_stop(doings: Mapping[str, Callable[[], Awaitable[object]]]) -> set[str]:
    stopped = set()
    for name, act in doings.items():
        try:
            await act()
        except (KilledError, ObserveOnlyError):
            stopped.add(name)
    return stopped


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("scope", "stops"), [("rack", {"rack"}), ("shelf", {"shelf"}), (EVERYTHING, set(NAMES))])
async def test_a_stop_concerns_its_own_subject_or_both(pair: Pair, place: str, scope: str, stops: set[str]) -> None:
    doings = {name: await PLACES[place](rig) for name, rig in pair.rigs.items()}

    await pair.kill(scope)

    assert await those_that_stop(doings) == stops
    if place in {"claim", "next step"}:
        assert {name for name, rig in pair.rigs.items() if not rig.target.ledger["a"]} == stops


@pytest.mark.parametrize("place", [name for name in PLACES if name != "validate"])
@pytest.mark.parametrize(("scope", "stops"), [("rack", {"rack"}), (EVERYTHING, set(NAMES))])
async def test_so_does_a_kill_file(pair: Pair, place: str, scope: str, stops: set[str]) -> None:
    doings = {name: await PLACES[place](rig) for name, rig in pair.rigs.items()}

    pair.any.kill_files.drop(scope)

    assert await those_that_stop(doings) == stops


@pytest.mark.parametrize(("scope", "stops"), [("rack", {"rack"}), ("shelf", {"shelf"}), (EVERYTHING, set(NAMES))])
async def test_the_sweeper_cancels_what_was_stopped_and_nothing_else(pair: Pair, scope: str, stops: set[str]) -> None:
    ids = {name: (await rig.propose("a"), await rig.approved("b")) for name, rig in pair.rigs.items()}
    await pair.kill(scope)

    await pair.any.sweeper.sweep()

    for name, (waiting, approved) in ids.items():
        became = (await status(pair.any.store, waiting), await status(pair.any.store, approved))
        assert became == (("cancelled(kill_switch)",) * 2 if name in stops else ("validated", "approved"))
    await require_sound(pair.any)


@pytest.mark.parametrize("scope", ["rack", EVERYTHING])
async def test_what_became_of_what_was_sent_is_found_out_whatever_is_stopped(pair: Pair, scope: str) -> None:
    lost = {}
    for name, rig in pair.rigs.items():
        rig.target.faults["a"] = "apply-then-lost"
        lost[name] = await rig.approved("a")
        await rig.executor.execute_proposal(lost[name])

    stopped = await pair.any.safety.kill_switch(by=BO, reason="stop", scope=scope)
    for name, rig in pair.rigs.items():
        await rig.reconciler._settle(await stored_of(rig, lost[name]))

    assert {one.subject for one in stopped.in_flight} == ({"rack"} if scope == "rack" else set(NAMES))
    for proposal_id in lost.values():
        assert await status(pair.any.store, proposal_id) == "completed(confirmed)"


async def stored_of(rig: Rig, proposal_id: int) -> Any:
    return await rig.store.read(lambda reader: reader.proposal(proposal_id))


K, E = "kill", "execute"


@pytest.mark.parametrize(
    ("turns", "stopped"),
    [
        pytest.param([(K, "*"), (E, "rack")], {"rack", "shelf"}, id="lifting one starts nothing while all is stopped"),
        pytest.param([(K, "rack"), (E, "*")], {"rack"}, id="lifting all leaves one stopped"),
        pytest.param([(K, "rack"), (K, "*"), (E, "*")], {"rack"}, id="each stop is lifted for itself"),
        pytest.param([(K, "*"), (K, "rack"), (E, "rack")], {"rack", "shelf"}, id="in either order"),
        pytest.param([(K, "rack"), (K, "*"), (E, "*"), (E, "rack")], set(), id="one after the other"),
        pytest.param([(K, "*"), (E, "rack"), (E, "*")], set(), id="a needless lift does no harm"),
        pytest.param([(K, "rack"), (E, "rack")], set(), id="one"),
        pytest.param([(K, "*"), (E, "*")], set(), id="all"),
    ],
)
async def test_nothing_starts_until_every_stop_that_concerns_it_is_lifted(
    pair: Pair, turns: list[tuple[str, str]], stopped: set[str]
) -> None:
    for what, scope in turns:
        if what == K:
            await pair.any.safety.kill_switch(by=BO, reason="stop", scope=scope)
        else:
            switched = await pair.any.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on", scope=scope)
            assert switched.control.mode is SafetyMode.EXECUTE
            assert switched.decides == await pair.any.safety.control(scope)

    assert await those_that_stop({name: await propose(rig) for name, rig in pair.rigs.items()}) == stopped


@pytest.mark.parametrize("scope", ["rack", EVERYTHING])
async def test_what_was_approved_before_a_stop_stays_void_when_it_is_lifted(pair: Pair, scope: str) -> None:
    doings = {name: await run(rig) for name, rig in pair.rigs.items()}
    await pair.kill(scope)

    await pair.any.store.write(
        lambda tx: pair.any.safety._turn(
            tx,
            SafetyMode.EXECUTE,
            by=ANN,
            reason="go on",
            scope=scope,
            stopped_as=ReasonCode.MODE_OBSERVE,
        )
    )

    assert await those_that_stop(doings) == ({"rack"} if scope == "rack" else set(NAMES))


async def test_a_kill_file_of_one_subject_goes_when_that_one_is_switched_to_execute(pair: Pair) -> None:
    files = pair.any.kill_files
    everything, rack, shelf = files.drop(), files.drop("rack"), files.drop("shelf")

    await pair.any.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on", scope="rack")
    assert files.present() == [everything, shelf]
    await pair.any.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on")
    assert files.present() == [shelf]
    assert (await pair.any.safety.control()).mode is SafetyMode.EXECUTE
    assert (await pair.any.safety.control("shelf")).mode is SafetyMode.OBSERVE
    assert (await pair.any.safety.control("rack")).mode is SafetyMode.EXECUTE
    assert rack == "kill-2@rack"
