"""The bot as `operator run` is, over a system that does nothing: `python -m tests.bench.service FOLDER`.

Slack's address and secrets are in the environment. Prints its address once it is up and answers lines of JSON:
`{"propose": 3}` with number, item and Approve button's value of three proposals, `{"begun": true}` with the monotonic
time at which each effect since the last question began, by item. Ends when its standard input does.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from actions.canonical import Json
from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.errors import NotReadyError
from actions.models import Risk, SafetyMode
from actions.registry import ActionDefinition, Done, Happened, Parameters, Preview, Steps, Verdict, define
from bot.identity import build_directory
from bot.payloads import ButtonValue
from bot.serve import SLACK_TIMEOUT, Service, Up
from bot.settings import Settings
from bot.signals import Signals
from bot.system import SystemClock
from bot.wiring import Parts, assembled
from bot.workspace_identity import who_am_i
from storage.store import SqlStore
from tests.bot.running import PEOPLE, Rack
from tests.rig import AGENT, ANN_CLI


class Item(Parameters):
    """What nothing is done to."""

    item: str


class Nothing:
    """A target that is changed in no time, and remembers when."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}

    def action(self) -> ActionDefinition[Item]:
        """Return what it offers."""
        return define(
            subject="rack",
            execute=self.touch,
            preview=self.preview,
            verify=self.verify,
            target=lambda params: params.item,
            risk=Risk.LOW,
        )

    async def touch(self, params: Item, steps: Steps) -> Done:  # noqa: ARG002 - the signature of an action
        """Touch an item."""
        self.begun[params.item] = time.monotonic()
        return Done(detail="touched")

    async def preview(self, params: Item) -> Preview:  # noqa: ARG002 - as above
        """Promise nothing, and rest on nothing."""
        return Preview(impact=(), pins={})

    async def verify(self, params: Item, before: Mapping[str, Json]) -> Verdict:  # noqa: ARG002 - as above
        """See it at once."""
        return Verdict(happened=Happened.YES, evidence=())


class Bench:
    """What the benchmark asks of the running bot."""

    def __init__(self, parts: Parts, target: Nothing) -> None:
        self._parts = parts
        self._target = target
        self._count = 0

    async def answer(self, question: Mapping[str, Any]) -> Any:
        """Do what is asked and return what is to be said."""
        if "propose" in question:
            return await asyncio.gather(*(self._offered() for _ in range(question["propose"])))
        begun, self._target.begun = self._target.begun, {}
        return begun

    async def _offered(self) -> tuple[int, str, str]:
        self._count += 1
        item = f"item {self._count}"
        recommendation = ActionRecommendation(
            action_name="rack.touch", parameters={"item": item}, reason="because", expected_outcome="touched"
        )
        proposal = await self._parts.executor.propose_action(
            Proposition(recommendation=recommendation, source_key=item, by=AGENT)
        )
        with suppress(NotReadyError):  # the sweeper of the running bot may be faster
            await self._parts.executor.validate_proposal(proposal.id)
        token = self._parts.buttons.token_for(proposal.token)
        return proposal.id, item, ButtonValue(p=proposal.id, t=token, h=proposal.params_hash).compact()


async def serve(folder: Path) -> None:
    """Run until standard input ends."""
    environ = ("SLACK_API_URL", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET")
    settings = Settings.model_validate(
        {
            "database": f"sqlite:///{folder}/operator.db",
            "state_dir": folder / "state",
            "channel": "#ops",
            "people": PEOPLE,
            "approvers": {"approve": list(PEOPLE)},
            # Thousands wait and run at once here.
            "limits": {"open_cards": 0, "actions_per_hour": 0, "proposals_per_hour": 0},
            "agent": {"enabled": False},
            **{name: os.environ[name] for name in environ},
        }
    )
    settings.state_dir.mkdir(mode=0o700)
    clock, signals, target = SystemClock(), Signals(), Nothing()
    async with AsyncExitStack() as stack:
        store = await asyncio.to_thread(SqlStore.open, settings.database, clock=clock)
        stack.push_async_callback(store.close)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=SLACK_TIMEOUT))
        client = AsyncWebClient(
            token=os.environ["SLACK_BOT_TOKEN"], base_url=settings.slack_api_url, session=session, retry_handlers=[]
        )
        who = await who_am_i(client)
        directory = build_directory(client, who.team_id, clock)
        parts = await assembled(
            settings,
            store=store,
            subjects={"rack": Rack([target.action()], clock)},
            clock=clock,
            publisher=signals,
            directory=directory,
        )
        await parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="benchmark")
        service = Service(parts, client=client, who=who, channel="#ops", signals=signals, warm=directory.warm)
        stopping = asyncio.Event()
        answering = [asyncio.create_task(_answer(Bench(parts, target), stopping))]

        def on_up(up: Up) -> None:
            print(json.dumps(up.address), flush=True)

        await service.run(stopping, host="127.0.0.1", port=0, on_up=on_up)
        await asyncio.gather(*answering)


async def _answer(bench: Bench, stopping: asyncio.Event) -> None:
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await bench.answer(json.loads(line))), flush=True)
    finally:
        stopping.set()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
