"""One real cluster for all tests that leave it well."""

from collections.abc import AsyncIterator

import pytest_asyncio

from bot.demo.cluster import DemoCluster
from tests.subjects.wired import Wired, wired

QUOTA = 2 * 1024 * 1024
"""Small, because it is filled often."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster() -> AsyncIterator[DemoCluster]:
    async with DemoCluster(quota=QUOTA) as running:
        yield running


@pytest_asyncio.fixture
async def both(cluster: DemoCluster) -> AsyncIterator[Wired]:
    """Both subjects over a cluster that is well, and is well again afterwards."""
    async with wired(cluster) as subjects:
        await subjects.until_well()
        yield subjects
        await subjects.until_well()
