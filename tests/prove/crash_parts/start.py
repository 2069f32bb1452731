"""How a place begins, and what is done once before many processes are forked."""

import gc
from contextlib import suppress

from actions.errors import OperatorError
from tests.prove.crash_parts.judge import judge
from tests.prove.crash_parts.processes import End, ended, forked
from tests.prove.crash_parts.scripts import Act
from tests.prove.crash_parts.world import Place, World, run


def begun(place: Place) -> Place:
    """Make the place, with a database in mode execute."""
    place.folder.mkdir(mode=0o700, parents=True)

    def start() -> None:
        run(_start(World(place)))

    end = ended(forked(start, place.journal.trouble))
    assert end is End.FINISHED, place.journal.lines()
    return place


def warm_up(place: Place, act: Act) -> None:
    """Do here once what every process would do again: compile statements, load what is loaded late."""
    with suppress(OperatorError):  # whatever is wrong is met again, and told, by those who prove something
        run(_act(World(place), act))
        judge(place, later=0.0)
    gc.collect()
    gc.freeze()


async def _start(world: World) -> None:
    await world.rig.start()
    await world.close()


async def _act(world: World, act: Act) -> None:
    try:
        await act(world)
    finally:
        await world.close()
