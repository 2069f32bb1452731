"""A program that migrates a database again and again, and is killed at one statement after the other.

Each time a copy of the process is killed by SIGKILL; what it left behind is printed as a line of JSON.
"""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, event, make_url

from storage.database_file import DatabaseFile
from storage.migrate import OURS, Schema, migrate
from storage.postgresql import PostgresqlDatabase
from storage.postgresql_migrate import migrate as migrate_postgresql
from storage.upgrade import upgrade
from tests.factories import START, FixedClock

LOADED = upgrade
"""Alembic, loaded once for all copies of the process."""
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
}


def main(url: str, migrations: str) -> None:
    """Migrate to the newest of our own schemas, then on to the one in *migrations*."""
    for schema in (OURS, Schema(revisions=(*OURS.revisions, "0002"), migrations=Path(migrations))):
        fatal = 1
        while _dies(url, schema, fatal):
            say(to=schema.newest, **_found(url))
            fatal += 1
        say(to=schema.newest, **_found(url))


def say(**found: object) -> None:
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()


def _dies(url: str, schema: Schema, fatal: int) -> bool:
    pid = os.fork()
    if pid == 0:
        _migrate(url, schema, fatal)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if status not in {0, signal.SIGKILL.value}:
        raise ChildProcessError(f"it ended with status {status} instead of being killed at statement {fatal}")
    return status != 0


def _migrate(url: str, schema: Schema, fatal: int) -> None:
    left = fatal

    def count(_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "connect", lambda connection, _: _watch(connection, count))
    if url.startswith("sqlite"):
        clock = FixedClock(START + timedelta(seconds=fatal))  # so that no backup has the name of another
        migrate(DatabaseFile.of(url), clock=clock, busy_timeout=5, schema=schema)
    else:
        database = PostgresqlDatabase(make_url(url), busy_timeout=5)
        migrate_postgresql(database.connect(), database.name, schema=schema)


def _watch(connection: object, count: Callable[[object], None]) -> None:
    match connection:
        case sqlite3.Connection():
            connection.set_trace_callback(count)
        case psycopg.Connection():

            class Cursor(psycopg.Cursor[Any]):
                def execute(self, *args: Any, **kwargs: Any) -> Any:
                    count(args[0])
                    return super().execute(*args, **kwargs)

            connection.cursor_factory = Cursor
        case _:
            raise TypeError(f"cannot watch the statements of {connection!r}")


def _found(url: str) -> dict[str, object]:
    tables = sorted(name for (name,) in _ask(url, TABLES[make_url(url).get_backend_name()]))
    revisions = [name for (name,) in _ask(url, "SELECT version_num FROM alembic_version")] if tables else []
    return {"revisions": revisions, "tables": len(tables), "extra": "extra" in tables}


def _ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(DatabaseFile.of(url).path)) as connection:
            return connection.execute(sql).fetchall()
    parsed = make_url(url)
    host = str(parsed.query["host"])
    with psycopg.connect(host=host, user=parsed.username, dbname=parsed.database) as connection:
        return connection.execute(sql.encode()).fetchall()


if __name__ == "__main__":
    main(*sys.argv[1:])
