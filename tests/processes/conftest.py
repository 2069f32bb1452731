"""A database in a folder that several processes share."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from bot.system import SystemClock
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.factories import CountingEntropy
from tests.rig import Rig

CONFIG = """
database = "sqlite:///{folder}/operator.db"
state_dir = "{folder}/state"
[people.ann]
slack = ["T1/UANN"]
cli = ["{login}"]
[people.bo]
slack = ["T1/UBO"]
[approvers]
approve = ["ann", "bo"]
"""


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Rig]:
    """A rig over the shared database, in execute mode."""
    store = await asyncio.to_thread(SqlStore.open, f"sqlite:///{tmp_path}/operator.db", clock=SystemClock())
    (tmp_path / "state").mkdir(mode=0o700)
    kill_files = DirectoryKillFiles(tmp_path / "state", entropy=CountingEntropy())
    rig = Rig(store, kill_files, SystemClock())
    await rig.start()
    yield rig
    await store.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a module of ours as a process and wait until it says that it is ready; end it with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(module: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", module, str(tmp_path), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture
def operator(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the `operator` command on the shared database."""
    import pwd  # noqa: PLC0415 - only where the command line is used

    config = tmp_path / "operator.toml"
    config.write_text(CONFIG.format(folder=tmp_path, login=pwd.getpwuid(os.getuid()).pw_name))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [Path(sys.executable).with_name("operator"), *arguments],
            env={**os.environ, "OPERATOR_CONFIG": str(config)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run
