"""Kill after kill on one database under load."""

import asyncio
import random
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.prove.kill_parts.killer import Killer, Stop
from tests.prove.kill_parts.site import Site
from tests.prove.race_parts.answers import Answer
from tests.prove.race_parts.databases import Databases
from tests.prove.race_parts.history import History
from tests.prove.race_parts.ledger import effects_in
from tests.prove.race_parts.promises import begun_after_kills, broken
from tests.prove.race_parts.remains import Remains


@dataclass(frozen=True, slots=True, kw_only=True)
class Siege:
    """What was found and measured; nanoseconds from each kill's return."""

    kills: int
    effects: int
    violations: Sequence[str]
    begun_after: Sequence[int]
    """How many listed effects began after each kill."""
    last_effect: Sequence[int]
    """Until the last of them began; 0 if none did."""
    last_refusal: Sequence[int]
    """Until every process had been refused."""
    took: Sequence[int]
    """What the kills themselves took."""


def besiege(databases: Databases, folder: Path, seed: str, *, kills: int, on_the_way: Sequence[float]) -> Siege:
    """Kill so often, each time after the load has come up again."""
    folder.mkdir()
    url = databases.fresh(folder)
    site = Site.at(url, folder, on_the_way)
    try:
        with site.under_load():
            answers, stops = asyncio.run(_kill_and_go_on(site, seed, kills))
        return _judged(site, answers, stops, asyncio.run(site.remains()))
    finally:
        databases.drop(url)
        shutil.rmtree(folder)


async def _kill_and_go_on(site: Site, seed: str, kills: int) -> tuple[list[Answer], list[Stop]]:
    store = await asyncio.to_thread(site.opened)
    killer = Killer(site, site.rig(store, "host/99/killer"), random.Random(seed))
    stops: list[Stop] = []
    try:
        while len(stops) < kills:
            await killer.go_on()
            stops.append(await killer.kill())
            if stops[-1].refused_after is None:
                break
    finally:
        site.over[0] = 1
        await store.close()
    return killer.answers, stops


def _judged(site: Site, answers: Sequence[Answer], stops: Sequence[Stop], remains: Remains) -> Siege:
    history = History(answers=answers, effects=effects_in(site.ledger), remains=remains)
    after: dict[str, list[int]] = defaultdict(list)
    for effect, kill in begun_after_kills(history):
        after[kill.reason].append(effect.began - kill.ended)
    never = [f"{stop.kill.reason}: a process goes on claiming" for stop in stops if stop.refused_after is None]
    return Siege(
        kills=len(stops),
        effects=len(history.effects),
        violations=[*never, *remains.problems, *broken(history)],
        begun_after=[len(after[stop.kill.reason]) for stop in stops],
        last_effect=[max(after[stop.kill.reason], default=0) for stop in stops],
        last_refusal=[stop.refused_after for stop in stops if stop.refused_after is not None],
        took=[stop.kill.ended - stop.kill.began for stop in stops],
    )
