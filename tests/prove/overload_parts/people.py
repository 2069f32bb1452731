"""Who works with the service meanwhile: people who press buttons, and somebody who stops things elsewhere."""

import asyncio
import copy
import json
import os
import pwd
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import perf_counter, time
from typing import Any, Final

from bot.cli.stop import KILL_FILE_ONLY
from bot.workspace.delivery import Kind
from bot.workspace.http_mode import HttpMode
from bot.workspace.server import Workspace
from tests.rig import ANN_CLI, Rig

CLICKS: Final = 10
"""Per second."""
KILLS: Final = 2
"""Per second."""
PRESS: Final = Path(__file__).parents[2] / "data/slack/block_actions_approve.json"
CONFIG: Final = """
database = "sqlite:///{folder}/operator.db"
state_dir = "{folder}/state"
[people.ann]
cli = ["{login}"]
[approvers]
approve = ["ann"]
[subjects.shelf]
kind = "etcd"
members = {{ n1 = "http://127.0.0.1:1" }}
"""
ASIDE: Final = "shelf"
"""What is stopped again and again: a subject without actions, so that those of the other one go on."""


@dataclass
class Work:
    """How long clicks and kills took, in seconds, and what went wrong."""

    clicks: list[float] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    pressed: list[str] = field(default_factory=list)
    """Values of buttons whose press was acknowledged."""
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class People:
    """They press and stop at a steady rate, however long each takes."""

    workspace: Workspace
    slack: HttpMode
    rig: Rig
    """Over the same database, as another process has it."""

    async def work(self, buttons: Sequence[str]) -> Work:
        """Press these buttons, and stop something now and then."""
        seen = Work()
        began = perf_counter()
        async with asyncio.TaskGroup() as together:
            for number, value in enumerate(buttons):
                await asyncio.sleep(max(0.0, began + number / CLICKS - perf_counter()))
                together.create_task(self._click(value, seen))
                if number % (CLICKS // KILLS) == 0:
                    together.create_task(self._kill(seen))
        return seen

    async def _click(self, value: str, seen: Work) -> None:
        answer = await self.slack.deliver(Kind.INTERACTIVE, self._press(value))
        seen.clicks.append(answer.ms / 1_000)
        if answer.error is None:
            seen.pressed.append(value)
        else:
            seen.faults.append(f"a click was lost: {answer.error} after {answer.ms:.0f} ms")

    async def _kill(self, seen: Work) -> None:
        began = perf_counter()
        stopped = await self.rig.safety.kill_switch(by=ANN_CLI, reason="too much", scope=ASIDE)
        seen.kills.append(perf_counter() - began)
        if not stopped.recorded:
            seen.faults.append(f"a kill was not recorded: {stopped.problem}")

    def _press(self, value: str) -> dict[str, Any]:
        state, number = self.workspace.state, json.loads(value)["p"]
        payload = copy.deepcopy(_recorded())
        user, ts = state.user("ann"), f"{time():.6f}"
        place = {"message_ts": f"1772331125.{number:06d}", "channel_id": state.channel("ops").id}
        payload["user"] = user.as_actor(state.team)
        payload["team"]["id"] = state.team.id
        payload["api_app_id"] = state.app.id
        payload["container"] |= place
        payload["actions"][0] |= {"value": value, "action_ts": ts}
        return payload


async def stopped_by_hand(folder: Path) -> float:
    """Run `operator actions kill-switch` on the database in *folder*; return the seconds that all of it took.

    Infinity: it was not recorded, there was only time for the kill file.
    """
    config = folder / "operator.toml"
    config.write_text(CONFIG.format(folder=folder, login=pwd.getpwuid(os.getuid()).pw_name))
    operator = Path(sys.executable).with_name("operator")
    began = perf_counter()
    command = await asyncio.create_subprocess_exec(
        *(operator, "actions", "kill-switch", "--subject", ASIDE, "--reason", "too much"),
        env={**os.environ, "OPERATOR_CONFIG": str(config)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await command.communicate()
    if command.returncode not in {0, KILL_FILE_ONLY}:
        raise RuntimeError(f"operator actions kill-switch ended with {command.returncode}: {said.decode()}")
    return inf if command.returncode == KILL_FILE_ONLY else perf_counter() - began


def _recorded() -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(PRESS.read_text())
    return payload
