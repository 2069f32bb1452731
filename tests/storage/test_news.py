"""What another process commits is heard of at once, and nobody is left waiting when the way there breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actions.models import SafetyMode
from storage.databases import database_at
from storage.store import SqlStore
from tests.factories import FixedClock
from tests.storage.scripts import Script
from tests.storage.servers import Server


class Ear:
    """A publisher that can be waited for."""

    def __init__(self) -> None:
        self.news = asyncio.Event()

    def changed(self) -> None:
        self.news.set()

    async def hears(self) -> None:
        async with asyncio.timeout(5):
            await self.news.wait()
        self.news.clear()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[SqlStore]:
    store = await asyncio.to_thread(SqlStore.open, url, clock=FixedClock())
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(params=["url", "postgresql_url"])
async def shared(request: pytest.FixtureRequest) -> str:
    """The address of a database that several processes use."""
    address: str = await asyncio.to_thread(request.getfixturevalue, request.param)
    return address


async def test_a_kill_in_another_process_is_heard_of(shared: str) -> None:
    ear = Ear()
    async with opened(shared) as ours, opened(shared) as theirs, ours.telling(ear):
        await ear.hears()  # once, when it begins to listen
        for mode in (SafetyMode.EXECUTE, SafetyMode.OBSERVE):
            await Script(theirs, FixedClock()).set_mode(mode)
            await ear.hears()


async def test_on_a_server_nobody_is_woken_by_their_own_changes(postgresql_url: str) -> None:
    database = database_at(postgresql_url)
    watch = await asyncio.to_thread(database.watch)
    store = await asyncio.to_thread(SqlStore, database, queue=10)
    async with opened(postgresql_url) as theirs:
        await Script(store, FixedClock()).set_mode(SafetyMode.EXECUTE)
        assert not await asyncio.to_thread(watch.heard, within=0.2)
        await Script(theirs, FixedClock()).set_mode(SafetyMode.OBSERVE)
        assert await asyncio.to_thread(watch.heard, within=5)
    watch.close()
    await store.close()


async def test_a_lost_connection_is_made_anew(
    server: Server, postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    name = postgresql_url.partition("@/")[2].partition("?")[0]
    async with opened(postgresql_url) as ours, opened(postgresql_url) as theirs, ours.telling(ear):
        await ear.hears()
        with server.connect(name) as stranger:
            stranger.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        await ear.hears()  # for whatever it missed
        await Script(theirs, FixedClock()).set_mode(SafetyMode.EXECUTE)
        await ear.hears()

    assert "cannot hear of other processes' changes" in caplog.text
