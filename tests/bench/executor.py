"""The executor over a durable database: whole lifecycles one at a time, and 64 approvals at once."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Final

from tests.bench.history import rig_over, url
from tests.bench.plan import Plan
from tests.bench.raw import Raw
from tests.bench.rounds import Rounds, seconds, taken_in_turns
from tests.bench.table import Row, at_least, told
from tests.rig import ANN, Rig
from tests.storage.servers import running

AT_ONCE: Final = 64
_LIFECYCLE: Final = "propose → validate → approve → execute → complete, one at a time"
_APPROVALS: Final = f"{AT_ONCE} approvals at once"


def measure(plan: Plan) -> Iterator[Row]:
    """Return the lines about the executor."""
    found = compared(plan, url(plan.folder / "executor.db"), plan.folder / "raw.db")
    rates = _rates(found, "lifecycles")
    yield at_least(
        _LIFECYCLE, found.of("lifecycles").over(found.of("raw lifecycles")), 0.3, "x raw sqlite3", detail=rates
    )
    rates = _rates(found, "approvals")
    yield at_least(_APPROVALS, found.of("approvals").over(found.of("raw approvals")), 3, "x raw sqlite3", detail=rates)


def measure_postgresql(plan: Plan) -> Iterator[Row]:
    """Return the same for PostgreSQL on this machine, which shares its cores with us; the floor stays SQLite."""
    with running(within="/tmp") as server:
        found = compared(plan, server.url(server.fresh()), plan.folder / "beside-postgresql.db")
    for what, name in ((_LIFECYCLE, "lifecycles"), (_APPROVALS, "approvals")):
        ratio = found.of(name).over(found.of(f"raw {name}"))
        yield told(f"PostgreSQL: {what}", ratio, "x raw sqlite3", detail=_rates(found, name))


def compared(plan: Plan, address: str, floor: Path) -> Rounds:
    """Measure an executor over this database and raw sqlite3 in turns."""
    many = plan.many(60, least=2)
    with closing(Raw.over(floor)) as raw, asyncio.Runner() as runner:
        rig, store = runner.run(rig_over(address))
        items = count(1)
        found = taken_in_turns(
            plan.rounds,
            {
                "lifecycles": lambda: many / seconds(lambda: runner.run(_lifecycles(rig, items, many))),
                "raw lifecycles": lambda: raw.lifecycles(many),
                "approvals": lambda: _approvals(rig, runner, items),
                "raw approvals": lambda: raw.approvals(AT_ONCE),
            },
        )
        runner.run(store.close())
    return found


async def _lifecycles(rig: Rig, items: Iterator[int], many: int) -> None:
    for _ in range(many):
        await rig.executor.execute_proposal(await rig.approved(f"item {next(items)}"))


def _approvals(rig: Rig, runner: asyncio.Runner, items: Iterator[int]) -> float:
    async def offered() -> list[int]:
        return await asyncio.gather(*(rig.propose(f"item {next(items)}") for _ in range(AT_ONCE)))

    async def approved(ids: list[int]) -> None:
        await asyncio.gather(*(rig.executor.approve_proposal(proposal_id, by=ANN) for proposal_id in ids))

    ids = runner.run(offered())
    return AT_ONCE / seconds(lambda: runner.run(approved(ids)))


def _rates(found: Rounds, name: str) -> str:
    return f"{found.of(name).median:,.0f}/s against {found.of(f'raw {name}').median:,.0f}/s"
