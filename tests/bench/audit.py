"""Reading the past: `audit verify` over all of it, and a digest over its last day."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from statistics import median
from typing import Final

from bot.digest_data import DigestOrder, gather
from bot.system import SystemClock
from storage.audit_verify import verify
from storage.store import SqlStore
from tests.bench.history import url, with_lives, with_past
from tests.bench.plan import Plan
from tests.bench.rounds import Spread, seconds, taken_in_turns
from tests.bench.table import Row, at_least, at_most

LIVES: Final = 4_000
DAY: Final = 600
"""Actions on the day that the digest is about; each leaves five lines."""
SHORT: Final = 100_000
LONG: Final = 1_000_000
FULL: Final = 10_000_000


def measure(plan: Plan) -> Iterator[Row]:
    """Return the lines about the audit log."""
    yield _verified(plan)
    yield _digested(plan)


def _verified(plan: Plan) -> Row:
    path = with_lives(plan.folder / "lived.db", plan.many(LIVES))
    rows = verify(url(path), []).rows

    rates, walls = list[float](), list[float]()
    for _ in range(plan.rounds):
        # One thread that only computes: what others do on this machine is not to count.
        began, began_at = time.process_time(), time.perf_counter()
        found = verify(url(path), [])
        rates.append(rows / (time.process_time() - began))
        walls.append(rows / (time.perf_counter() - began_at))
        if not found.ok:
            raise RuntimeError(f"the log is not in order: {found.problems}")
    detail = f"{median(walls):,.0f}/s by the clock; {rows:,} rows of whole lifecycles, tables compared"
    return at_least("audit verify", Spread(rates), 100_000, "rows per second of one core", detail=detail)


def _digested(plan: Plan) -> Row:
    sizes = {"short": plan.many(SHORT), "long": plan.many(FULL if plan.full else LONG)}
    with asyncio.Runner() as runner:
        stores = {name: _opened(plan, runner, size) for name, size in sizes.items()}

        def once(store: SqlStore) -> float:
            return seconds(lambda: runner.run(_digest(store)))

        found = taken_in_turns(plan.rounds, {name: partial(once, store) for name, store in stores.items()})
        for store in stores.values():
            runner.run(store.close())
    what = f"digest of a day, {sizes['long']:,} rows of history against {sizes['short']:,}"
    return at_most(
        what, found.of("long").over(found.of("short")), 1.5, "x", detail=f"{found.of('long').median * 1e3:.0f} ms"
    )


def _opened(plan: Plan, runner: asyncio.Runner, size: int) -> SqlStore:
    path = with_lives(with_past(plan.folder / f"{size}.db", size), plan.many(DAY))
    return runner.run(asyncio.to_thread(SqlStore.open, url(path), clock=SystemClock()))


async def _digest(store: SqlStore) -> None:
    now = SystemClock().now()
    checkpoint = await store.read(lambda reader: reader.audit_head(now))
    order = DigestOrder(name="day", fire_at=now, covers=timedelta(days=1), checkpoint=checkpoint)
    await store.read(lambda reader: gather(reader, order))
