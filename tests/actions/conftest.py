"""Every store, and the core over it."""

import pytest

from actions.ports import Store
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.rig import MemoryKillFiles, Rig
from tests.storage.conftest import clock, migrated, path, postgresql_url, server, sql_store, store, url

__all__ = ["clock", "migrated", "path", "postgresql_url", "server", "sql_store", "store", "url"]


@pytest.fixture
async def rig(store: Store, clock: FixedClock) -> Rig:
    """In execute mode, over every store."""
    return await Rig(store, MemoryKillFiles(), clock).start()


@pytest.fixture
async def memory_rig(clock: FixedClock) -> Rig:
    """In execute mode, over the memory store alone: for what no store has a part in."""
    return await Rig(MemoryStore(), MemoryKillFiles(), clock).start()
