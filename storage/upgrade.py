"""Running the migrations: each in a transaction of its own, forward only."""

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from storage.engine import driver_says


def upgrade(connection: Connection, revision: str | None, migrations: Path, *, begin: str = "BEGIN IMMEDIATE") -> None:
    """Bring the database from *revision* (None: empty) to the newest; a step that fails leaves no trace of itself."""
    scripts = ScriptDirectory(str(migrations))
    for script in _steps(scripts, revision):
        driver_says(connection, begin)
        try:
            context = MigrationContext.configure(connection)
            with Operations.context(context):
                script.module.upgrade()
            context.stamp(scripts, script.revision)
        except BaseException:
            driver_says(connection, "ROLLBACK")
            raise
        driver_says(connection, "COMMIT")


def revisions(migrations: Path) -> list[str]:
    """Return every revision there is a migration to, the first one first."""
    return [script.revision for script in _steps(ScriptDirectory(str(migrations)), None)]


def _steps(scripts: ScriptDirectory, revision: str | None) -> list[Script]:
    newest_first = scripts.walk_revisions(revision or "base", "heads")
    return [script for script in newest_first if script.revision != revision][::-1]
