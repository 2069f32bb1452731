"""A database of its own for each round, with the schema made and the mode set to execute beforehand."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.factories import CountingEntropy, FixedClock
from tests.in_memory import memory_folder
from tests.rig import Rig
from tests.storage.servers import Server, running


class Databases(Protocol):
    """Where they come from."""

    def fresh(self, folder: Path) -> str:
        """Make one, in *folder* if it is a file, and return its address."""
        ...

    def drop(self, url: str) -> None:
        """Remove it."""
        ...


class Files:
    """SQLite."""

    def __init__(self, template: Path) -> None:
        self._template = template
        asyncio.run(_switched_to_execute(f"sqlite:///{template}", template.parent))

    def fresh(self, folder: Path) -> str:
        return f"sqlite:///{shutil.copy(self._template, folder / 'operator.db')}"

    def drop(self, url: str) -> None:
        """It goes with its folder."""


class OnServer:
    """PostgreSQL."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._template = server.fresh()
        asyncio.run(_switched_to_execute(server.url(self._template), folder))

    def fresh(self, folder: Path) -> str:  # noqa: ARG002 - the signature of `Databases`
        return self._server.url(self._server.fresh(self._template))

    def drop(self, url: str) -> None:
        self._server.drop(url.partition("@/")[2].partition("?")[0])


@contextmanager
def sqlite() -> Iterator[Databases]:
    """Offer SQLite files."""
    with memory_folder() as folder:
        yield Files(folder / "template.db")


@contextmanager
def postgresql() -> Iterator[Databases]:
    """Offer databases of a PostgreSQL server, which runs meanwhile."""
    with running() as server, memory_folder() as folder:
        yield OnServer(server, folder)


async def _switched_to_execute(url: str, folder: Path) -> None:
    clock = FixedClock()
    store = await asyncio.to_thread(SqlStore.open, url, clock=clock)
    await Rig(
        store, DirectoryKillFiles(folder / "none", entropy=CountingEntropy()), clock, owner="host/0/start"
    ).start()
    await store.close()
