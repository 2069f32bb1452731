"""For each of these bugs there is a test that finds it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.actions.mutants import MUTANTS

ROOT: Final = Path(__file__).parent.parent.parent
AT_ONCE: Final = 2
NONE: Final = "no bug"
pytestmark = pytest.mark.timeout(300)  # all the bugs are tried before the first test
Outcomes: TypeAlias = Mapping[str, tuple[int, str]]


def tried(names: list[str], bytecode: Path) -> list[tuple[str, tuple[int, str]]]:
    """Try these bugs, one after the other, in one process; compile what is not under test once."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(  # noqa: S603 - our own interpreter and our own tests
        [sys.executable, "-m", "tests.actions.mutants", *names],
        cwd=ROOT,
        env={**kept, "PYTHONPYCACHEPREFIX": str(bytecode)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    return [(name, (code, output)) for name, code, output in map(json.loads, run.stdout.splitlines())]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    names, bytecode = [NONE, *MUTANTS], tmp_path_factory.mktemp("bytecode")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        shares = [pool.submit(tried, names[start::AT_ONCE], bytecode) for start in range(AT_ONCE)]
        return dict(outcome for share in shares for outcome in share.result())


def test_without_a_bug_every_test_passes(outcomes: Outcomes) -> None:
    code, output = outcomes[NONE]

    assert code == pytest.ExitCode.OK, output


@pytest.mark.parametrize("name", MUTANTS)
def test_a_bug_is_found(outcomes: Outcomes, name: str) -> None:
    code, output = outcomes[name]

    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert re.search(r"^E  +(assert |Assertion|Failed: DID NOT RAISE|[a-z.]+\.\w+Error)", output, re.MULTILINE), output
