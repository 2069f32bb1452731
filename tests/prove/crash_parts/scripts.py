"""What processes do while they are killed: each way in which something is decided, run, found out or written down."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from actions.errors import OperatorError
from actions.models import Caller, SafetyMode, Seen
from tests.prove.crash_parts.world import DEAD, World
from tests.rig import ANN, BO

Act = Callable[[World], Awaitable[None]]
AN_HOUR: Final = 3_601.0
"""After which proposals have expired."""
SENT: Final = "before the send"
APPLIED: Final = "after the target applied it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Something that is done in a place that was prepared for it."""

    name: str
    prepare: Act
    act: Act
    later: float = 0.0
    """Seconds between the two."""
    since: str | None = None
    """The first point at which it is killed, where all before is as in another script."""
    prepared_until: str | None = None
    """The point at which the preparing process is killed."""
    then: Act | None = None
    """What is done after the recovery, such as delivering again what was not answered."""


async def nothing(_: World) -> None:
    """Prepare nothing."""


def waiting(*marks: str, action: str = "touch") -> Act:
    """Prepare proposals that can be decided about."""

    async def prepare(world: World) -> None:
        for number, mark in enumerate(marks):
            await world.propose(f"i{number}", mark, action=action)

    return prepare


def approved(*marks: str, action: str = "touch") -> Act:
    """Prepare proposals that can be run."""

    async def prepare(world: World) -> None:
        await waiting(*marks, action=action)(world)
        for number in range(len(marks)):
            await world.rig.executor.approve_proposal(number + 1, by=ANN)

    return prepare


def ran(*marks: str, action: str = "touch") -> Act:
    """Prepare proposals that were run."""

    async def prepare(world: World) -> None:
        await approved(*marks, action=action)(world)
        for number in range(len(marks)):
            await world.rig.executor.execute_proposal(number + 1)

    return prepare


def killed_then_waiting(*marks: str) -> Act:
    """Prepare proposals that a kill has cancelled, and mode observe."""

    async def prepare(world: World) -> None:
        await waiting(*marks)(world)
        world.rig.kill_files.drop()
        await world.rig.safety.kill_switch(by=ANN, reason="prepared")

    return prepare


def click(number: int) -> Caller:
    """Return Ann with the key of one click of hers."""
    return replace(ANN, key=f"click-{number}")


async def seen(world: World, proposal_id: int) -> Seen:
    """Return what the card of a proposal shows."""
    proposal = await world.store.read(lambda reader: reader.proposal(proposal_id))
    assert proposal is not None
    return Seen(
        button_token=f"button-{proposal.token}",
        params_hash=proposal.params_hash,
        team_id="T1",
        channel_id="C1",
        message_ts="1.0",
    )


async def propose(world: World) -> None:
    await world.propose("a", "m1")
    await world.look()


async def approve(world: World) -> None:
    await world.told(world.rig.executor.approve_proposal(1, by=ANN))
    await world.look()


async def approve_by_two(world: World) -> None:
    await world.told(world.rig.executor.approve_proposal(1, by=ANN))
    await world.told(world.rig.executor.approve_proposal(1, by=BO))
    await world.look()


async def approve_by_click(world: World) -> None:
    shown = await seen(world, 1)
    for _ in range(2):
        await world.told(world.rig.executor.approve_proposal(1, by=click(1), seen=shown))
    await world.look()


async def clicked_once(world: World) -> None:
    # Whoever got no answer presses again; it is the same click to us.
    await approve_by_click(world)
    audit = await world.rig.auditor.events(proposal_id=1)
    if sum(event.event == "approved" for event in audit) != 1:
        world.journal.trouble("one click, delivered again after the crash, was counted twice")


async def cancel(world: World) -> None:
    await world.told(world.rig.executor.cancel_proposal(1, by=BO, reason="no"))
    await world.told(world.rig.executor.explain_cancellation(1, by=BO, reason="because"))
    await world.look()


async def several_at_once(world: World) -> None:
    executor = world.rig.executor
    await asyncio.gather(
        world.told(executor.approve_proposal(1, by=ANN)),
        world.told(executor.approve_proposal(2, by=BO)),
        world.told(executor.cancel_proposal(2, by=BO)),
        world.told(executor.approve_proposal(3, by=ANN)),
        world.told(executor.cancel_proposal(3, by=ANN)),
        world.propose("new", "new"),
    )
    await world.look()


async def kill(world: World) -> None:
    await world.told(world.rig.safety.kill_switch(by=ANN, reason="stop"))
    await world.look()


async def kill_one_subject(world: World) -> None:
    await world.told(world.rig.safety.kill_switch(by=ANN, reason="stop", scope="rack"))
    await world.look()


async def observe(world: World) -> None:
    await world.told(world.rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN))
    await world.look()


async def execute_mode(world: World) -> None:
    await world.told(world.rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go"))
    await world.propose("again", "again")
    await world.look()


async def sweep(world: World) -> None:
    await world.rig.sweeper.sweep()
    await world.look()


async def execute(world: World) -> None:
    await world.told(world.rig.executor.execute_proposal(1))
    await world.look()


async def dispatch(world: World) -> None:
    await world.dispatch()
    await world.look()


async def recover(world: World) -> None:
    await world.recover()
    await world.look()


async def resolve(world: World) -> None:
    happened = bool(world.place.ledger.effects())
    await world.told(world.rig.executor.resolve_proposal(1, happened=happened, by=ANN, reason="I looked"))
    await world.look()


async def kill_while_it_runs(world: World) -> None:
    killed: list[object] = []

    async def while_under_way(_: str) -> None:
        if not killed:
            killed.append(await world.told(world.rig.safety.kill_switch(by=ANN, reason="stop")))

    world.target.while_under_way = while_under_way
    await execute(world)


async def overtaken(world: World) -> None:
    """Another process takes the attempt for abandoned while it runs, and finds out what came of it."""
    other = World(world.place, points=world.points, later=LONG_AFTER, owner=f"{DEAD}other")

    async def while_under_way(_: str) -> None:
        await other.rig.reconciler.reconcile()

    world.target.while_under_way = while_under_way
    answer = await world.told(world.rig.executor.execute_proposal(1))
    if isinstance(answer, OperatorError):
        world.journal.trouble(f"a late result was refused with {answer!r}")
    await other.close()
    await world.look()


LONG_AFTER: Final = 2 * 86_400.0


async def audit(world: World) -> None:
    await world.auditor.started("operator run")
    await world.told(world.auditor.checkpoint())
    await world.auditor.stopped("operator run")
    await world.told(world.auditor.checkpoint())
    await world.look()


async def lifecycle(world: World) -> None:
    proposal_id = await world.propose("a", "m1", action="crush")
    await world.told(world.rig.executor.approve_proposal(proposal_id, by=ANN))
    await world.told(world.rig.executor.approve_proposal(proposal_id, by=BO))
    await world.dispatch()
    await world.look()


async def crushable(world: World) -> None:
    await world.propose("a", "m1", action="crush")


async def every_stage(world: World) -> None:
    """One unknown, one approved, one waiting."""
    await ran("blind-lost.1")(world)
    await world.propose("a", "m1")
    await world.rig.executor.approve_proposal(2, by=ANN)
    await world.propose("b", "m2")


SCRIPTS: Final = (
    Script(name="a late result", prepare=approved("m1"), act=overtaken, since=SENT),
    Script(name="kill with a backlog", prepare=every_stage, act=kill),
    Script(name="recover in part", prepare=ran("m1", action="pair"), prepared_until=APPLIED, act=recover),
    Script(name="several at once", prepare=waiting("m1", "m2", "m3"), act=several_at_once),
    Script(name="the whole lifecycle", prepare=nothing, act=lifecycle),
    Script(name="kill while it runs", prepare=approved("m1"), act=kill_while_it_runs, since=SENT),
    Script(name="kill between two steps", prepare=approved("m1", action="pair"), act=kill_while_it_runs, since=SENT),
    Script(name="execute two steps", prepare=approved("m1", action="pair"), act=execute, since=SENT),
    Script(
        name="execute, second step refused", prepare=approved("second-refuse.1", action="pair"), act=execute, since=SENT
    ),
    Script(name="execute, second step lost", prepare=approved("second-lost.1", action="pair"), act=execute, since=SENT),
    Script(
        name="execute, second answer lost", prepare=approved("second-apply-then-lost.1", action="pair"), act=execute
    ),
    Script(name="execute", prepare=approved("m1"), act=execute),
    Script(name="execute, refused", prepare=approved("refuse.1"), act=execute, since=SENT),
    Script(name="execute, lost on the way there", prepare=approved("lost.1"), act=execute, since=SENT),
    Script(name="execute, lost on the way back", prepare=approved("apply-then-lost.1"), act=execute, since=SENT),
    Script(name="execute, cannot be looked at", prepare=approved("blind.1"), act=execute, since=SENT),
    Script(name="dispatch three", prepare=approved("m1", "lost.2", "apply-then-lost.3"), act=dispatch),
    Script(name="reconcile", prepare=ran("lost.1", "apply-then-lost.2"), act=recover),
    Script(name="recover", prepare=ran("m1"), prepared_until=APPLIED, act=recover),
    Script(name="reconcile in part", prepare=ran("second-lost.1", action="pair"), act=recover),
    Script(name="recover, not sent", prepare=ran("m1"), prepared_until=SENT, act=recover),
    Script(name="resolve", prepare=ran("blind-lost.1"), act=resolve),
    Script(name="propose", prepare=nothing, act=propose),
    Script(name="approve", prepare=waiting("m1"), act=approve),
    Script(name="approve, two needed", prepare=crushable, act=approve_by_two),
    Script(name="approve by a click", prepare=waiting("m1"), act=approve_by_click, then=clicked_once),
    Script(name="cancel", prepare=waiting("m1"), act=cancel),
    Script(name="kill one subject", prepare=waiting("m1", "m2"), act=kill_one_subject),
    Script(name="mode observe", prepare=waiting("m1", "m2"), act=observe),
    Script(name="mode execute", prepare=killed_then_waiting("m1"), act=execute_mode),
    Script(name="expire", prepare=waiting("m1", "m2", "m3"), act=sweep, later=AN_HOUR),
    Script(name="audit", prepare=waiting("m1"), act=audit),
)
"""First those that meet most of what can go wrong, then the longest."""
