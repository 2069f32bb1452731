"""The kill switch over a long backlog: when nothing new can begin, and when everything that waited is cancelled."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeVar

from actions.ports import Reader, Store, Transaction
from actions.safety import BATCH
from bot.system import SystemClock, SystemEntropy, keep_what_is_loaded
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.bench.history import copied, rig_over, url
from tests.bench.machine import helper
from tests.bench.plan import Plan
from tests.bench.raw import Raw, with_pending
from tests.bench.rounds import Rounds, Spread
from tests.bench.table import Row, at_most
from tests.rig import ANN, Rig

T = TypeVar("T")
PENDING: Final = 100_000
_RUNNING: Final = 300
"""How many approved actions another process has before it when the kill comes."""
_EFFECT: Final = "0.3"
"""Seconds that each of them takes; 32 run at once, so that some are left when the kill comes."""
_AFTERWARDS: Final = 1.5
"""Seconds in which it is watched then."""


class Watched:
    """A store that notes when its first change was committed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.committed_at = 0.0

    async def write(self, work: Callable[[Transaction], T], **how: Any) -> T:
        """See `actions.ports.Store.write`."""
        done = await self._store.write(work, **how)
        self.committed_at = self.committed_at or time.perf_counter()
        return done

    async def read(self, query: Callable[[Reader], T]) -> T:
        """See `actions.ports.Store.read`."""
        return await self._store.read(query)


def measure(plan: Plan) -> Iterator[Row]:
    """Return the lines about the kill switch."""
    many = plan.many(PENDING)
    template = with_pending(plan.folder / "pending.db", many)
    few, rounds = _few(plan), Rounds()
    for number in range(min(plan.rounds, 3)):
        _one_round(plan, template, many, rounds, number)
    name = f"kill with {many:,} pending"
    detail = (
        f"{rounds.of('barrier').median * 1e3:.2f} ms, kill file included; with none pending {few.median * 1e3:.2f} ms"
    )
    yield at_most(
        f"{name}: nothing new can begin",
        rounds.of("barrier").over(rounds.of("commit")),
        20,
        "x raw commit",
        detail=detail,
    )
    detail = f"{rounds.of('backlog').median:.1f} s against {rounds.of('raw backlog').median:.1f} s"
    yield at_most(
        f"{name}: all cancelled", rounds.of("backlog").over(rounds.of("raw backlog")), 3, "x raw sqlite3", detail=detail
    )
    late = Spread([_last_effect(plan, number) for number in range(plan.rounds)])
    yield at_most("kill: last effect that another process begins, after it returned", late, 1, "s")


def _one_round(plan: Plan, template: Path, many: int, rounds: Rounds, number: int) -> None:
    ours = copied(template, plan.folder / "killed.db")
    (state_dir := plan.folder / f"state {number}").mkdir(mode=0o700)
    barrier, whole = asyncio.run(_killed(url(ours), state_dir))
    with closing(Raw.over(plan.folder / f"commits {number}.db")) as raw:
        commit = median(raw.commits(plan.many(200, least=5)))
    floor = copied(template, plan.folder / "raw.db")
    with closing(Raw(floor)) as raw:
        backlog = raw.cancellations(range(2, many + 2), at_once=BATCH)
    rounds.add(**{"barrier": barrier, "backlog": whole - barrier, "raw backlog": backlog, "commit": commit})
    for path in (ours, floor):
        path.unlink()


def _few(plan: Plan) -> Spread:
    empty = with_pending(plan.folder / "none.db", 0)
    found = []
    for number in range(3):
        path = copied(empty, plan.folder / "none killed.db")
        (state_dir := plan.folder / f"state of none {number}").mkdir(mode=0o700)
        barrier, _ = asyncio.run(_killed(url(path), state_dir))
        found.append(barrier)
    return Spread([median(found)])


async def _killed(address: str, state_dir: Path) -> tuple[float, float]:
    """Return the seconds until a kill was committed, and until it returned."""
    store = await asyncio.to_thread(SqlStore.open, address, clock=SystemClock())
    watched = Watched(store)
    rig = Rig(watched, DirectoryKillFiles(state_dir, entropy=SystemEntropy()), SystemClock())
    # As in a process that has been up for a while: the connection is warm.
    await store.read(lambda reader: reader.controls())
    keep_what_is_loaded()
    began = time.perf_counter()
    stopped = await rig.safety.kill_switch(by=ANN, reason="benchmark")
    ended = time.perf_counter()
    await store.close()
    if not stopped.recorded:
        raise RuntimeError(stopped.problem)
    return watched.committed_at - began, ended - began


def _last_effect(plan: Plan, number: int) -> float:
    """Return how many seconds after a kill another process began its last effect; 0 if all began before."""
    folder = plan.folder / f"other {number}"
    (folder / "state").mkdir(parents=True, mode=0o700)
    stopped_at, effects = asyncio.run(_killed_elsewhere(plan, folder))
    return max(0.0, max(effects) - stopped_at)


async def _killed_elsewhere(plan: Plan, folder: Path) -> tuple[float, list[float]]:
    rig, store = await rig_over(url(folder / "operator.db"))
    await asyncio.gather(*(rig.approved(f"item {item}") for item in range(plan.many(_RUNNING, least=100))))
    ledger = folder / "ledger"
    with helper("tests.processes.worker", str(folder), "0", _EFFECT, bytecode=plan.bytecode, core=1):
        await asyncio.to_thread(_wait_for_an_effect, ledger)
        stopped = await rig.safety.kill_switch(by=ANN, reason="benchmark")
        returned = time.monotonic()
        await asyncio.sleep(_AFTERWARDS)
    await store.close()
    if not stopped.cancelled:
        raise RuntimeError("the other process had nothing left to stop")
    return returned, await asyncio.to_thread(_effects, ledger)


def _wait_for_an_effect(ledger: Path) -> None:
    while not _effects(ledger):
        time.sleep(0.005)


def _effects(ledger: Path) -> list[float]:
    """Return when each effect began, by the monotonic clock."""
    text = ledger.read_text(encoding="utf-8") if ledger.exists() else ""
    return [float(line.split()[0]) for line in text.splitlines()]
