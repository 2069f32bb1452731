"""A directory with a configuration and a database, in which commands are run."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from actions.canonical import Json
from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.models import Caller
from actions.registry import ActionDefinition
from actions.subject import Observation, Rule
from bot.cli.caller import login
from bot.cli.main import run
from bot.local_directory import LocalDirectory
from bot.settings import load
from bot.signals import Signals
from bot.system import SystemEntropy
from bot.wiring import Parts, assembled
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.factories import START, FixedClock
from tests.rig import AGENT, Rig, Touch

T = TypeVar("T")
CONFIG = """
channel = "C0DEFAULT"

[people.me]
cli = ["{login}"]
[people.ann]
slack = ["T1/UANN"]
[people.bo]
slack = ["T1/UBO"]

[approvers]
approve = ["me", "ann", "bo"]

[subjects.processes]
kind = "supervisor"
url = "http://127.0.0.1:9"

[[digests]]
name = "morning"
at = "09:00"
"""


@dataclass(frozen=True)
class Said:
    """What a command did."""

    code: int
    out: str
    err: str


class StoryClock(FixedClock):
    """A clock on which something happens once, while somebody waits."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        happening, self.meanwhile = self.meanwhile, None
        if happening is not None:
            await happening()


class Rack:
    """A subject made of a rig's actions."""

    name = "rack"
    kind = "rack"

    def __init__(self, actions: list[ActionDefinition[Any]]) -> None:
        self.actions = actions
        self.rules: tuple[Rule[Any], ...] = ()

    async def observe(self) -> Observation:
        return Observation(subject=self.name, observed_at=START)

    async def close(self) -> None:
        return


@dataclass(frozen=True)
class Bench:
    """A rig, and the parts that a command would have built, over one database."""

    rig: Rig
    parts: Parts
    clock: StoryClock

    async def propose(self, item: str, *, action: str = "touch", by: Caller = AGENT) -> int:
        """Propose, and validate, under the rules of the configuration; return the proposal's id."""
        recommendation = ActionRecommendation(
            action_name=f"rack.{action}", parameters={"item": item}, reason="because", expected_outcome="touched"
        )
        proposal = await self.parts.executor.propose_action(
            Proposition(recommendation=recommendation, source_key=f"{action}:{item}", by=by)
        )
        return (await self.parts.executor.validate_proposal(proposal.id)).id


class Home:
    """Where commands are run."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys
        self.config = CONFIG.format(login=login())
        self.configure(self.config)

    @property
    def database(self) -> Path:
        return self.path / "operator.db"

    @property
    def state(self) -> Path:
        return self.path / "state"

    def configure(self, text: str) -> None:
        (self.path / "operator.toml").write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> Said:
        """Run a command in this process."""
        self._capsys.readouterr()
        code = run(arguments)
        printed = self._capsys.readouterr()
        return Said(code, printed.out, printed.err)

    def start(self, *arguments: str, stdin: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        """Start the console script as a process of its own."""
        return subprocess.Popen(  # noqa: S603 - our own console script
            [Path(sys.executable).with_name("operator"), *arguments],
            cwd=self.path,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that runs the tests in the background has them ignore SIGINT, and so would their children.
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 - nothing that holds a lock happens before exec
        )

    def kill_files(self) -> list[str]:
        return sorted(path.name for path in self.state.glob("kill-*"))

    def sql(self) -> sqlite3.Connection:
        return sqlite3.connect(self.database, isolation_level=None)

    def act(self, work: Callable[[Rig], Awaitable[T]]) -> T:
        """Do something to the database by way of a rig that is in mode execute."""

        async def inside() -> T:
            async with self.bench() as bench:
                return await work(bench.rig)

        return asyncio.run(inside())

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[Bench]:
        clock = StoryClock()
        store = await asyncio.to_thread(SqlStore.open, f"sqlite:///{self.database}", clock=clock)
        try:
            rig = Rig(store, DirectoryKillFiles(self.state, entropy=SystemEntropy()), clock)
            self.state.mkdir(mode=0o700, exist_ok=True)
            parts = await assembled(
                load(),
                store=store,
                subjects={"rack": Rack([replace(action, undo=_undo) for action in rig.registry])},
                clock=clock,
                publisher=Signals(),
                directory=LocalDirectory(),
            )
            yield Bench(rig=await rig.start(), parts=parts, clock=clock)
        finally:
            await store.close()


def _undo(params: Touch, _: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
    return "touch", {"item": params.item, "mark": f"{params.key} as before"}


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
