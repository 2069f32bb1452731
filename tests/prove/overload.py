"""A service that is flooded with junk and with diagnoses, while people press buttons and stop things."""

import asyncio
import json
import logging
import multiprocessing
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from time import time
from typing import Any, Final

import aiohttp

from actions.ports import Reader
from actions.safety import introduce
from bot.system import SystemClock, process_owner
from bot.workspace.http_mode import HttpMode
from bot.workspace.server import Workspace
from storage.store import SqlStore
from tests.bot.running import local_workspace
from tests.prove.overload_parts.junk import DIAGNOSIS, ENDED, RATE, Flood, flood
from tests.prove.overload_parts.pace import keep_pace
from tests.prove.overload_parts.people import ASIDE, CLICKS, People, Work, stopped_by_hand
from tests.prove.overload_parts.service import Opened, Place, serve
from tests.prove.proof import Outcome, Proof, Trial
from tests.rig import MemoryKillFiles, Rig

MIB: Final = 1 << 20
PATIENCE: Final = 3.0
"""Seconds after which Slack takes a click for lost."""
CLICK: Final = 0.5
KILL: Final = 1.0
COMMAND: Final = 3.0
"""Seconds within which 99 of 100 are answered, on a machine that nobody else uses; on another it may take as many times
longer as everything else does, or `WORSE` times what it takes when all is quiet."""
WORSE: Final = 4.0
GROWTH: Final = 20.0
"""MiB that the service may grow by, once it has met every kind of request."""
SETTLE: Final = 0.25
"""The part of the flood after which it has."""
BY_HAND: Final = 2
"""How often `operator actions kill-switch` is run, with the flood and without; not in a short trial."""
ENOUGH: Final = 5.0
"""Seconds of flood after which more diagnoses have come than are taken in."""
QUIET: Final = 0.5
"""How long to look at a service without a flood, as a part of how long with one."""
_FORK: Final = multiprocessing.get_context("fork")


class Child:
    """A process that is talked to over a pipe; forked before there is any event loop."""

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        self._pipe, theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=work, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()

    def tell(self, what: object) -> None:
        """Say something."""
        self._pipe.send(what)

    async def hear(self) -> Any:
        """Wait for what it says. Raises `EOFError` if it ended without a word."""
        return await asyncio.to_thread(self._pipe.recv)

    async def asked(self) -> Any:
        """Ask it for what it has to say, and wait for that."""
        self.tell("what")
        return await self.hear()

    async def end(self) -> None:
        """Let it end if it has not yet, and wait until it has."""
        with suppress(OSError):
            self.tell(None)
        await asyncio.to_thread(self._process.join)


@dataclass(frozen=True, kw_only=True)
class Children:
    """The processes of a trial."""

    service: Child
    junk: Child
    pace: Child


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen of a service."""

    quiet: Work
    flooded: Work
    slower: tuple[float, float]
    """How many times slower the machine was than alone, when quiet and flooded: others may use it too."""
    flood: Flood
    by_hand: tuple[list[float], list[float]]
    """Seconds that `operator actions kill-switch` took, from its start to its end: when quiet, and flooded."""
    growth: float
    """MiB."""
    memory: float
    logged: float
    """MiB that it wrote into its log."""


def run(trial: Trial) -> Outcome:
    """Flood a service for as long as the count takes at the rate that is wanted."""
    seconds = trial.count / RATE
    quiet, flooded = max(10, round(seconds * QUIET * CLICKS)), max(10, round(seconds * CLICKS))
    service = Child(serve, trial.folder, quiet + flooded)
    junk = Child(flood, str(trial.seed))
    pace = Child(keep_pace)
    outcome = Outcome()
    logging.disable(logging.WARNING)
    seen = asyncio.run(_story(trial, Children(service=service, junk=junk, pace=pace), quiet, outcome))
    _judge(seen, outcome)
    return outcome


async def _story(trial: Trial, children: Children, quiet: int, outcome: Outcome) -> Seen:
    service, junk, pace = children.service, children.junk, children.pace
    times = BY_HAND if trial.count >= ENOUGH * RATE else 0
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(local_workspace())
        store = await asyncio.to_thread(SqlStore.open, f"sqlite:///{trial.folder}/operator.db", clock=SystemClock())
        stack.push_async_callback(store.close)
        stack.push_async_callback(service.end)
        stack.push_async_callback(junk.end)
        stack.push_async_callback(pace.end)
        await _let_nobody_post(store)
        service.tell(
            Place(
                base_url=workspace.base_url,
                bot_token=workspace.bot_token,
                app_token=workspace.app_token,
                signing_secret=workspace.signing_secret,
            )
        )
        opened: Opened = await service.hear()
        people = await _people(stack, workspace, store, opened)
        await pace.asked()
        calm = await people.work(opened.buttons[:quiet])
        undisturbed = [await stopped_by_hand(trial.folder) for _ in range(times)]
        slower = await pace.asked()
        junk.tell((opened.address, RATE))
        watching = asyncio.create_task(_memory(opened.pid))
        loud = await people.work(opened.buttons[quiet:])
        by_hand = [await stopped_by_hand(trial.folder) for _ in range(times)]
        slower_still = await pace.asked()
        watching.cancel()
        sizes = await watching
        junk.tell("enough")
        flooded: Flood = await junk.hear()
        outcome.done = flooded.sent
        outcome.violations += await _lost(store, [*calm.pressed, *loud.pressed], flooded.accepted)
        return Seen(
            quiet=calm,
            flooded=loud,
            slower=(slower, slower_still),
            flood=flooded,
            by_hand=(undisturbed, by_hand),
            growth=sizes[-1] - sizes[int(len(sizes) * SETTLE)],
            memory=sizes[-1],
            logged=(trial.folder / "log").stat().st_size / MIB,
        )


async def _let_nobody_post(store: SqlStore) -> None:
    # The cards that are pressed have stood there for long: another process, this one, says that it delivers.
    now = SystemClock().now()
    await store.write(introduce(ASIDE, SystemClock()))
    await store.write(lambda tx: tx.hold_lease("delivery", process_owner(), now=now, until=now + timedelta(hours=1)))


async def _people(stack: AsyncExitStack, workspace: Workspace, store: SqlStore, opened: Opened) -> People:
    session = await stack.enter_async_context(aiohttp.ClientSession())
    slack = HttpMode(
        request_url=f"{opened.address}/slack/events",
        signing_secret=workspace.signing_secret,
        clock=time,
        session=session,
        ack_seconds=PATIENCE,
    )
    return People(workspace=workspace, slack=slack, rig=Rig(store, MemoryKillFiles(), SystemClock()))


async def _memory(pid: int) -> list[float]:
    sizes = []
    try:
        while True:
            sizes.append(_resident(pid))
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        return sizes


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


async def _lost(store: SqlStore, pressed: Sequence[str], accepted: Sequence[str]) -> list[str]:
    """Return what was acknowledged and is not in the database."""

    def missing(reader: Reader) -> list[str]:
        clicks = [value for value in pressed if not reader.approvals(json.loads(value)["p"])]
        taken = [key for key in accepted if reader.diagnosis_by_source(f"http:{key}") is None]
        lost = {"a click that was acknowledged": clicks, "a diagnosis that was accepted": taken}
        return [
            f"{what} is not in the database: {which[:3]}, {len(which)} in all" for what, which in lost.items() if which
        ]

    return await store.read(missing)


def _judge(seen: Seen, outcome: Outcome) -> None:
    for what, calm, loud, bound in (
        ("click", seen.quiet.clicks, seen.flooded.clicks, CLICK),
        ("kill", seen.quiet.kills, seen.flooded.kills, KILL),
        ("kill by command", *seen.by_hand, COMMAND),
    ):
        if not loud:
            continue
        before, during = p99(calm), p99(loud)
        outcome.notes.append(
            f"{what}: p99 {before * 1e3:.0f} ms when quiet ({len(calm)}), {during * 1e3:.0f} ms flooded ({len(loud)})"
        )
        if before > bound * seen.slower[0]:
            outcome.violations.append(f"p99 of a {what} is {before * 1e3:.0f} ms when all is quiet")
        if during > max(bound * seen.slower[1], WORSE * before):
            outcome.violations.append(f"p99 of a {what} is {during * 1e3:.0f} ms under the flood")
    outcome.violations += [*dict.fromkeys([*seen.quiet.faults, *seen.flooded.faults])]
    if seen.growth > GROWTH:
        outcome.violations.append(f"the service grew by {seen.growth:.0f} MiB")
    _judge_flood(seen, outcome)


def _judge_flood(seen: Seen, outcome: Outcome) -> None:
    answers, faults = seen.flood.answers, seen.flood.faults
    outcome.notes.append(
        f"{seen.flood.sent / seen.flood.seconds:,.0f} junk requests/s; memory {seen.memory:.0f} MiB, "
        f"{seen.growth:+.1f} MiB; log {seen.logged:.1f} MiB; {len(seen.flood.accepted):,} diagnoses accepted"
    )
    before, during = seen.slower
    outcome.notes.append(f"the machine was {before:.1f} times slower than alone, {during:.1f} times under the flood")
    outcome.notes.append(", ".join(f"{what} × {number:,}" for what, number in sorted((answers + faults).items())))  # noqa: RUF001
    if seen.flood.sent / seen.flood.seconds * seen.slower[1] < RATE / 10:
        outcome.violations.append("the flood was none: far fewer requests were answered than this machine can answer")
    outcome.violations += [f"{what}: {number} times" for what, number in faults.items() if what != ENDED]
    if seen.flood.seconds > ENOUGH and not (answers[f"{DIAGNOSIS}: 429"] and seen.flood.accepted):
        outcome.violations.append("diagnoses were not both accepted and refused: the flood proves nothing")


def p99(times: Sequence[float]) -> float:
    """Return what 99 of 100 stay below; of fewer than a hundred, the longest."""
    return quantiles(times, n=100)[98] if len(times) >= 100 else max(times)


PROOF: Final = Proof(
    name="overload",
    promise=(
        "While a service is flooded with junk and diagnoses, clicks and kills are answered in time and none is lost, "
        "what is accepted is stored, what is not is told when to come again, and memory stays flat."
    ),
    count=60 * RATE,
    unit="junk requests",
    run=run,
    bugs={"sleep in the writer": 2 * RATE},
    alone=True,
)
