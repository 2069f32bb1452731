"""What commands load before they do anything: a module too many is felt by everybody who waits for one."""

import subprocess
import sys

import pytest

SLOW = frozenset({"aiohttp", "alembic", "apscheduler", "httpx", "psycopg", "slack_bolt", "slack_sdk", "uvicorn"})


def loaded_with(module: str) -> frozenset[str]:
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    return frozenset(done.stdout.split())


@pytest.mark.parametrize("module", ["bot.cli.look", "bot.cli.audit_log", "bot.cli.stop"])
def test_who_reads_or_stops_does_not_wait_for_slack_or_the_subjects(module: str) -> None:
    loaded = loaded_with(module)

    assert loaded & SLOW == frozenset()
    assert not {name for name in loaded if name.startswith("actions.subjects.")}


def test_help_waits_for_nothing_that_is_not_needed_to_print_it() -> None:
    loaded = loaded_with("bot.cli.main")

    assert loaded & (SLOW | {"asyncio", "pydantic_settings", "sqlalchemy", "sqlmodel", "actions", "storage"}) == set()
