"""kill -9 at every statement of a kill switch, and of a recovery: a new process finds all of it or nothing.

`make prove` does the same with everything else; here are the two that nothing else in the suite interrupts.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("script", "points"), [("kill with a backlog", 30), ("recover in part", 10)])
async def test_what_is_killed_at_any_statement_is_recovered_whole(tmp_path: Path, script: str, points: int) -> None:
    command = [sys.executable, "-m", "tests.processes.crasher", str(tmp_path), script]
    said = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=50, check=False)

    assert said.returncode == 0, said.stderr
    outcome = json.loads(said.stdout)
    assert outcome["violations"] == []
    assert outcome["done"] > points, "fewer points than statements: the crashes did not take place"
