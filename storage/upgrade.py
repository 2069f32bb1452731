"""Running the migrations: each in a transaction of its own, forward only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from storage.engine import driver_says

MIGRATIONS: Final = Path(__file__).with_name("migrations")


def upgrade(connection: Connection, revision: str | None) -> None:
    """Bring the database from *revision* (None: empty) to the newest; a step that fails leaves its beginning."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    for script in _steps(scripts, revision):
        driver_says(connection, "BEGIN IMMEDIATE")
        try:
            context = MigrationContext.configure(connection)
            with Operations.context(context):
                script.module.upgrade()
            context.stamp(scripts, script.revision)
        except BaseException:
            driver_says(connection, "ROLLBACK")
            raise
        driver_says(connection, "COMMIT")


def revisions() -> list[str]:
    """Return every revision there is a migration to, the first one first."""
    return [script.revision for script in _steps(ScriptDirectory(str(MIGRATIONS)), None)]


def _steps(scripts: ScriptDirectory, revision: str | None) -> Iterator[Script]:
    return reversed(
        [script for script in scripts.walk_revisions(revision or "base", "heads") if script.revision != revision]
    )
