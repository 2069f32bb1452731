"""Forgeries of a PostgreSQL database, by a superuser who knows the tables and covers the tracks."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import PROCESSES, Share
from tests.prove.tampering_parts import PROMISE, CannotBeForgedError, Scene, lived, tried
from tests.storage.emptied import Restored
from tests.storage.forgeries import Editor, PostgresqlEditor
from tests.storage.servers import Server, running


class Tables:
    """See `Scene`: one database, restored each time."""

    def __init__(self, server: Server, name: str) -> None:
        self.url = server.url(name)
        self._connection = server.connect(name)
        self._restored = Restored(self._connection)

    @contextmanager
    def forging(self) -> Iterator[Editor]:
        """See `Scene.forging`."""
        self._restored.restore()
        try:
            with self._connection.transaction():
                yield PostgresqlEditor(self._connection)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            raise CannotBeForgedError from error

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


def run(trial: Trial) -> Outcome:
    """Forge, all shares on one server."""
    with running() as server:
        untouched = server.fresh()
        asyncio.run(lived(server.url(untouched)))
        names = [server.fresh(template=untouched) for _ in range(PROCESSES)]

        @contextmanager
        def scene(share: Share) -> Iterator[Scene]:
            tables = Tables(server, names[share.number])
            yield tables
            tables.close()

        return tried(trial, scene)


PROOF: Final = Proof(
    name="tampering-postgresql",
    promise=f"In PostgreSQL, {PROMISE}.",
    count=1_000,
    unit="forgeries",
    run=run,
    bugs={"head not held against the witness": 100},
)
