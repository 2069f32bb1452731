"""The executor against the model of the lifecycle, over every store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.actions.lifecycle_model import Lifecycle
from tests.memory_store import MemoryStore
from tests.storage.emptied import EmptiedPostgresql, EmptiedSqlite
from tests.storage.servers import Server


def stories(count: int) -> settings:
    """Return how many to tell; `tests.prove.model_sqlite` and `model_postgresql` tell thousands."""
    return settings(max_examples=count, stateful_step_count=40)


class MemoryLifecycle(Lifecycle):
    """Over the fake that other tests rely on."""

    fresh = MemoryStore


class SqlLifecycle(Lifecycle):
    """Over SQLite."""


class PostgresqlLifecycle(Lifecycle):
    """Over PostgreSQL."""


TestMemoryLifecycle = MemoryLifecycle.TestCase
TestMemoryLifecycle.settings = stories(40)


class TestSqlLifecycle(SqlLifecycle.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes it while running
    """Its examples share one file."""

    settings = stories(20)

    @pytest.fixture(autouse=True)
    def over_one_file(self, tmp_path: Path) -> Iterator[None]:
        database = EmptiedSqlite(tmp_path)
        SqlLifecycle.fresh = database.fresh
        yield
        asyncio.run(database.close())


class TestPostgresqlLifecycle(PostgresqlLifecycle.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes it while running
    """Its examples share one database."""

    settings = stories(8)

    @pytest.fixture(autouse=True)
    def over_one_database(self, server: Server) -> Iterator[None]:
        name = server.fresh()
        database = EmptiedPostgresql(server, name)
        PostgresqlLifecycle.fresh = database.fresh
        yield
        asyncio.run(database.close())
        server.drop(name)
