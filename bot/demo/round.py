"""One round of the story without anybody watching: broken, proposed, approved, repaired, and looked at.

People act through the same protocol as in the browser. Whether the cluster is well again is asked of the cluster, not
of the bot.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final, TypeVar

from bot.demo.bot_process import operator
from bot.demo.cards import Card, cards, said_to
from bot.demo.config import CHANNEL
from bot.demo.faults import Broken, Fault, inject
from bot.demo.probes import problems
from bot.demo.progress import Progress
from bot.demo.stage import Stage
from bot.ids import Button, SlashCommand
from bot.workspace.people import Outcome

T = TypeVar("T")

ROUND_WITHIN: Final = 60.0
LOOK_EVERY: Final = 0.1
COMMANDER: Final = "ann"
APPROVER: Final = "bo"
CONFIRMED: Final = "done and confirmed"
WITHDRAWN: Final = ("the target has changed", "replaced by a newer proposal")
"""How a card ends that was overtaken by a later look at the fault; a newer card takes its place."""


class RoundFailedError(Exception):
    """The story did not go as it should; the text says what was expected and what was seen."""

    def __init__(self, *, expected: str, seen: str) -> None:
        super().__init__(f"expected: {expected}\nseen:     {seen}")


class Round:
    """One round. All of it must be over within a minute from now."""

    def __init__(self, stage: Stage, progress: Progress) -> None:
        self._stage = stage
        self._workspace = stage.workspace
        self._progress = progress
        self._deadline = time.monotonic() + ROUND_WITHIN
        self._known = {card.number for card in self._cards()}

    async def switch_to_execute(self) -> None:
        """Make sure that the bot starts in observe mode, and switch it. Raises `RoundFailedError`."""
        await self._command("status", answered="observe for everything")
        self._progress.step("the bot observes only, as it always does at first")
        await self._command("mode execute demo", answered="The mode is execute for everything.")
        self._progress.step(f"{COMMANDER} typed /operator mode execute demo")

    async def play(self, fault: Fault) -> None:
        """Break the cluster and see it repaired. Raises `RoundFailedError`; `ClusterError` if it cannot be broken."""
        await self._until_well("the cluster is healthy")
        broken = await inject(fault, self._stage.cluster)
        self._progress.step(f"{fault.value}: {broken.said}")
        while not await self._repaired(broken):
            self._progress.step("the card was overtaken by a later look at the fault; waiting for the next")
        await self._until_well("the cluster is healthy by its own account: members, alarms, a write read back")
        await self._verify_audit()

    async def _repaired(self, broken: Broken) -> bool:
        card = await self._next_card(broken)
        self._known.add(card.number)
        self._progress.step(f"card posted: action {card.number} {_call(broken)}")
        outcome = await self._workspace.click(
            user=APPROVER, channel=CHANNEL, ts=card.ts, action_id=Button.APPROVE.value
        )
        self._require_acknowledged(outcome, "the click on Approve")
        self._progress.step(f"{APPROVER} clicked Approve, acknowledged after {outcome.ms:.0f} ms")
        ended = await self._ended(card)
        if CONFIRMED not in ended.headline and not any(reason in ended.headline for reason in WITHDRAWN):
            raise RoundFailedError(expected=f"action {card.number} {CONFIRMED}", seen=ended.text)
        self._progress.step(f"the card says: {ended.headline}")
        return CONFIRMED in ended.headline

    async def _next_card(self, broken: Broken) -> Card:
        return await self._until(
            lambda: next((card for card in self._new_cards() if _offers(card, broken)), None),
            expected=f"a card that offers {_call(broken)}",
        )

    async def _ended(self, card: Card) -> Card:
        return await self._until(
            lambda: next((now for now in self._cards() if now.number == card.number and now.is_over), None),
            expected=f"action {card.number} {CONFIRMED}",
        )

    async def _command(self, text: str, *, answered: str) -> None:
        outcome = await self._workspace.command(
            user=COMMANDER, channel=CHANNEL, command=SlashCommand.OPERATOR.value, text=text
        )
        self._require_acknowledged(outcome, f"/operator {text}")
        said = said_to(self._workspace, CHANNEL, COMMANDER)
        if answered not in said:
            raise RoundFailedError(expected=f"/operator {text} answers {answered!r}", seen=said or "no answer")

    async def _verify_audit(self) -> None:
        verify = operator("audit", "verify", directory=self._stage.directory, environment=self._stage.environment)
        try:
            async with asyncio.timeout(self._left()):
                code, said = await verify
        except TimeoutError:
            raise RoundFailedError(expected="operator audit verify ends in time", seen="it runs still") from None
        if code != 0:
            raise RoundFailedError(expected="operator audit verify ends with 0", seen=f"it ended with {code}: {said}")
        self._progress.step(f"operator audit verify: {said.splitlines()[0] if said else 'nothing is wrong'}")

    async def _until_well(self, expected: str) -> None:
        written = f"written at {time.time()}"
        while wrong := await problems(self._stage.cluster.endpoints, written=written):
            if not self._left():
                raise RoundFailedError(expected=expected, seen="; ".join(wrong))
            await asyncio.sleep(LOOK_EVERY)
        self._progress.step(expected)

    async def _until(self, found: Callable[[], T | None], *, expected: str) -> T:
        try:
            await self._workspace.until(lambda: found() is not None, within=self._left())
        except TimeoutError:
            raise RoundFailedError(expected=expected, seen=self._what_is_there()) from None
        it = found()
        if it is None:
            raise RoundFailedError(expected=expected, seen=f"it came and went; now: {self._what_is_there()}")
        return it

    def _require_acknowledged(self, outcome: Outcome, what: str) -> None:
        if not outcome.acked:
            raise RoundFailedError(
                expected=f"{what} is acknowledged", seen=f"{outcome.error} after {outcome.ms:.0f} ms"
            )

    def _what_is_there(self) -> str:
        lines = [f"{card.headline} ({card.text})" for card in self._new_cards()] or ["no new card"]
        told = said_to(self._workspace, CHANNEL, APPROVER)
        return "\n          ".join([*lines, *([f"{APPROVER} was told: {told}"] if told else [])])

    def _new_cards(self) -> Collection[Card]:
        return [card for card in self._cards() if card.number not in self._known]

    def _cards(self) -> list[Card]:
        return cards(self._workspace, CHANNEL)

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())


def _offers(card: Card, broken: Broken) -> bool:
    return card.can_be_approved and card.names(broken.repair, broken.parameters)


def _call(broken: Broken) -> str:
    return f"{broken.repair}({', '.join(f'{name}={value}' for name, value in broken.parameters.items())})"
