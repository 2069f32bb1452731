"""A migration that is killed at any statement leaves the schema before it or that after it, and can be repeated."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.migrate import OURS
from tests.storage.servers import Server
from tests.storage.test_migrate import schema_with

NEXT = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade():
    op.execute("CREATE TABLE extra (x integer)")
    op.execute("INSERT INTO extra SELECT epoch FROM control")
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/operator.db"
        return
    server: Server = request.getfixturevalue("server")
    name = server.fresh(template="template1")
    yield server.url(name)
    server.drop(name)


def test_a_migration_may_be_killed_at_every_statement(empty: str, tmp_path: Path) -> None:
    found = _kill_again_and_again(empty, schema_with(tmp_path, NEXT).migrations)

    first, second = ([one for one in found if one["to"] == newest] for newest in (OURS.newest, "0002"))
    assert len(first) > 30
    assert len(second) > 3
    whole = first[-1]["tables"]
    for one in first:
        assert (one["revisions"], one["tables"]) in (([], 0), ([OURS.newest], whole))
    for one in second:
        assert (one["revisions"], one["tables"], one["extra"]) in (
            ([OURS.newest], whole, False),
            (["0002"], whole + 1, True),
        )
    assert (first[-1]["revisions"], second[-1]["revisions"]) == ([OURS.newest], ["0002"])


def _kill_again_and_again(url: str, migrations: Path) -> list[dict[str, Any]]:
    program = [sys.executable, "-m", "tests.storage.dying", url, str(migrations)]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)  # noqa: S603 - our own interpreter
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]
