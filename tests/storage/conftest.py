"""Databases and stores for the tests of storage."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from actions.ports import Store
from storage.store import SqlStore
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.storage.scripts import Script
from tests.storage.servers import Server, running

LIVES = 70


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the newest schema, to be copied: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "operator.db"

    async def make() -> None:
        store = await asyncio.to_thread(SqlStore.open, f"sqlite:///{path}", clock=FixedClock())
        await store.close()

    asyncio.run(make())
    return path


@pytest.fixture(scope="session")
def lived(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which proposals came to every end there is, and some to none yet; to be copied."""
    path = tmp_path_factory.mktemp("lived") / "operator.db"
    shutil.copy(migrated, path)

    async def live() -> None:
        clock = FixedClock()
        store = await asyncio.to_thread(SqlStore.open, f"sqlite:///{path}", clock=clock)
        await Script(store, clock).varied_lives(LIVES)
        await store.write(lambda tx: tx.save_checkpoint(tx.audit_head(clock.now()), "file:/w"))
        await store.close()

    asyncio.run(live())
    return path


@pytest.fixture
def path(migrated: Path, tmp_path: Path) -> Path:
    path = tmp_path / "operator.db"
    shutil.copy(migrated, path)
    return path


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
async def sql_store(url: str, clock: FixedClock) -> AsyncIterator[SqlStore]:
    store = await asyncio.to_thread(SqlStore.open, url, clock=clock, busy_timeout=0.2)
    yield store
    await store.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server, started for the first test that needs it."""
    with running() as server:
        yield server


@pytest.fixture
def postgresql_url(server: Server) -> Iterator[str]:
    """A PostgreSQL database of the newest schema, for one test."""
    name = server.fresh()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, clock: FixedClock) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    address = {"sqlite": "url", "postgresql": "postgresql_url"}[request.param]
    # In a thread, because what makes the first database of a kind waits for it.
    found: str = await asyncio.to_thread(request.getfixturevalue, address)
    store = await asyncio.to_thread(SqlStore.open, found, clock=clock)
    yield store
    await store.close()


@pytest.fixture
def script(store: Store, clock: FixedClock) -> Script:
    return Script(store, clock)
