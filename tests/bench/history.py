"""Databases with a past, made by the code that would have made it; or row by row where that would take too long."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

from bot.system import SystemClock
from storage.chain import GENESIS
from storage.columns import microseconds
from storage.store import SqlStore
from tests.rig import MemoryKillFiles, Rig

_LIVES: Final = 50
"""How many at once: an attempt may begin for 2 s after its target was read, however busy the machine is."""
_YEAR: Final = timedelta(days=365)
_EVENTS: Final = ("proposed", "validated", "approved", "executing", "completed")
_DATA: Final = '{"row":"' + "4f" * 32 + '","status":"validated","version":2,"why":"' + "x" * 80 + '"}'


def copied(path: Path, to: Path) -> Path:
    """Copy a database that nobody has open."""
    shutil.copy(path, to)
    return to


def url(path: Path) -> str:
    """Return the address of a SQLite file."""
    return f"sqlite:///{path}"


async def rig_over(address: str) -> tuple[Rig, SqlStore]:
    """Return an executor over a database, in execute mode, and its store, which is to be closed."""
    store = await asyncio.to_thread(SqlStore.open, address, clock=SystemClock())
    return await Rig(store, MemoryKillFiles(), SystemClock()).start(), store


def with_lives(path: Path, count: int) -> Path:
    """Have *count* actions proposed, approved and run."""

    async def live() -> None:
        rig, store = await rig_over(url(path))
        for first in range(0, count, _LIVES):
            some = range(first, min(count, first + _LIVES))
            approved = await asyncio.gather(*(rig.approved(f"item {item}") for item in some))
            await asyncio.gather(*(rig.executor.execute_proposal(proposal_id) for proposal_id in approved))
        await store.close()

    asyncio.run(live())
    return path


def with_past(path: Path, rows: int) -> Path:
    """Add *rows* lines to an empty audit log, spread over the year that ended a day ago."""
    asyncio.run(_emptied(path))
    end = microseconds(SystemClock().now() - timedelta(days=1))
    step = max(1, _YEAR // timedelta(microseconds=1) // max(1, rows))
    lines = (
        (seq, end - (rows - seq) * step, _EVENTS[seq % len(_EVENTS)], "agent:rules", "agent", _DATA, GENESIS, GENESIS)
        for seq in range(1, rows + 1)
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            'INSERT INTO audit (seq, "at", event, actor, via, data, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)', lines
        )
        connection.execute("COMMIT")
    return path


async def _emptied(path: Path) -> None:
    store = await asyncio.to_thread(SqlStore.open, url(path), clock=SystemClock())
    await store.close()
