"""With Slack out of reach and no bot alive everything goes on from the command line; later the cards catch up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from actions.models import ActionStatus
from bot.cli.approve import approve_in, break_glass_in
from bot.cli.caller import login
from bot.cli.follow import edit_in, undo_in
from bot.cli.preview import preview_in
from bot.ids import Button
from bot.local_directory import LocalDirectory
from bot.settings import Settings
from bot.signals import Signals
from bot.system import SystemClock
from bot.wiring import Parts, assembled
from bot.workspace.faults import ANY_METHOD, Fault, FaultKind
from storage.store import SqlStore
from tests.bot.cli.home import Home
from tests.bot.running import PEOPLE, Rack, all_messages, built_bot, local_workspace, running, settings_for
from tests.memory_store import MemoryStore
from tests.rig import MemoryKillFiles, Rig, Target

GONE: Final = Fault(kind=FaultKind.RESET)
OVER: Final[dict[str, Any]] = {
    "people": {**PEOPLE, "me": {"cli": [login()]}},
    "approvers": {"approve": [*PEOPLE, "me"], "break_glass": ["ann", "me"]},
}
CONFIG: Final = f"""
[people.me]
cli = ["{login()}"]
[people.ann]
slack = ["T0LOCAL/U0ANN"]
[approvers]
approve = ["me", "ann"]
"""


@asynccontextmanager
async def command_line(settings: Settings, target: Target) -> AsyncIterator[Parts]:
    """The parts that a command builds, over the same database and target, without Slack."""
    clock = SystemClock()
    store = await asyncio.to_thread(SqlStore.open, settings.database, clock=clock)
    try:
        offered = Rig(MemoryStore(), MemoryKillFiles(), clock, target=target).registry
        touch_back = [
            replace(action, undo=lambda params, _: ("touch", {"item": params.item, "mark": "back"}))
            for action in offered
        ]
        yield await assembled(
            settings,
            store=store,
            subjects={"rack": Rack(touch_back, clock)},
            clock=clock,
            publisher=Signals(),
            directory=LocalDirectory(),
        )
    finally:
        await store.close()


async def test_everything_goes_on_and_the_cards_catch_up_when_the_bot_is_back(home: Home, tmp_path: Path) -> None:
    target = Target()
    home.configure(CONFIG)
    async with local_workspace() as workspace:
        settings = settings_for(workspace, tmp_path, **OVER)
        async with built_bot(workspace, settings, target=target) as bot, running(bot):
            for item, action in (("a", "touch"), ("b", "touch"), ("c", "crush"), ("d", "touch")):
                await bot.offered(item, action=action)

        with workspace.faults.lasting(ANY_METHOD, GONE):
            async with command_line(settings, target) as parts:
                assert await preview_in(parts, 1, as_json=False) == 0
                assert await approve_in(parts, 1, as_json=False) == 0
                assert await edit_in(parts, 2, written={"mark": "other"}, as_json=False) == 0
                assert await break_glass_in(parts, 3, reason="writes stopped", as_json=False) == 0
                assert await undo_in(parts, 1, as_json=False) == 0
            refused = await asyncio.to_thread(
                home.run, "actions", "cancel", "4", "--code", "wrong_cause", "the", "disk", "is", "full"
            )
            own_review = await asyncio.to_thread(home.run, "reviews", "close", "3", "--comment", "it was right")
            assert (refused.code, own_review.code) == (0, 1)
        assert target.ledger == {"a": 1, "c": 1}

        async with built_bot(workspace, settings, target=target) as bot, running(bot):
            await bot.card_of(1, saying="done and confirmed")
            await bot.card_of(2, saying="replaced by")
            await bot.card_of(3, saying="done and confirmed")
            await bot.card_of(4, saying="cancelled")
            assert await bot.card_of(5, saying="needs approval")
            card = await bot.card_of(6, saying="needs approval")
            await bot.until(lambda: any("writes stopped" in message["text"] for message in all_messages(workspace)))
            await bot.press(card, Button.APPROVE, by="ann")
            await bot.becomes(6, ActionStatus.COMPLETED)
        assert target.ledger == {"a": 1, "c": 1, "back": 1}
