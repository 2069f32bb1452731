"""A signed click, from the first byte sent to the answer: one at a time, and 64 in flight."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.load import Clicks, Sent, many_at_once, one_at_a_time
from tests.bench.machine import Helper, helper, pinned
from tests.bench.plan import Plan
from tests.bench.raw import Raw
from tests.bench.rounds import Rounds, Spread, alternated, percentile, taken_in_turns
from tests.bench.table import Row, at_least, at_most

SERVER: Final = 0
CLIENT: Final = 1
"""Cores, so that who asks does not slow down who answers."""
IN_FLIGHT: Final = 64
_NOBODY: Final = '{"p":1,"t":"0c1d0c1d0c1d0c1d","h":"' + "4f" * 32 + '"}'
"""What the button of a card carries that only Bolt will see."""
_LOOK_EVERY: Final = 0.002
PATIENCE: Final = 60.0


def measure(plan: Plan) -> Iterator[Row]:
    """Return the lines about clicks."""
    with ExitStack() as stack:
        slack = stack.enter_context(helper("tests.bench.slack", "limited", bytecode=plan.bytecode, core=CLIENT)).said()
        secret = slack["SLACK_SIGNING_SECRET"]
        home = plan.folder / "service"
        home.mkdir()
        bot = stack.enter_context(
            helper("tests.bench.service", str(home), bytecode=plan.bytecode, core=SERVER, secrets=slack)
        )
        bolts = [
            stack.enter_context(helper("tests.bench.bolt", kind, secret, bytecode=plan.bytecode, core=SERVER))
            for kind in ("tuned", "stock")
        ]
        stack.enter_context(pinned(CLIENT))
        raw = stack.enter_context(closing(Raw.over(plan.folder / "commits.db")))
        ours = Ours(bot, home / "operator.db", Clicks(secret))
        tuned, stock = (Theirs(bolt.said(), Clicks(secret)) for bolt in bolts)
        yield from _one_at_a_time(plan, ours, tuned, stock, raw)
        yield from _many(plan, ours, tuned)


@dataclass(slots=True)
class Ours:
    """The running bot. Every click is on a proposal of its own, and all that follows from it is waited for."""

    bot: Helper
    database: Path
    clicks: Clicks
    address: str = ""
    effects: list[float] = field(default_factory=list)
    """Seconds from the answer to the effect, for each click that was made alone."""

    def __post_init__(self) -> None:
        """Wait until it is up."""
        self.address = self.bot.said()

    def one_by_one(self, count: int) -> Iterator[float]:
        """Make a click, and yield how long it took once it has run and its result is stored."""
        offered = self.bot.ask(propose=count)
        requests = [self.clicks.signed(value, at=time.time()) for *_, value in offered]
        for click, (number, item, _) in zip(one_at_a_time(self.address, requests), offered, strict=True):
            self._wait_for([number])
            self.effects.append(self.bot.ask(begun=True)[item] - click.answered)
            yield click.seconds

    def all_at_once(self, count: int) -> list[Sent]:
        """Make clicks, 64 at a time."""
        offered = self.bot.ask(propose=count)
        requests = [self.clicks.signed(value, at=time.time()) for *_, value in offered]
        sent = asyncio.run(many_at_once(self.address, requests, connections=IN_FLIGHT))
        self._wait_for([number for number, *_ in offered])
        return sent

    def _wait_for(self, numbers: Sequence[int]) -> None:
        query = "SELECT count(*) FROM proposals WHERE id BETWEEN ? AND ? AND status != 'completed'"
        uri = f"{self.database.as_uri()}?mode=ro"
        deadline = time.monotonic() + PATIENCE
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            while left := connection.execute(query, (min(numbers), max(numbers))).fetchone()[0]:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{left} clicks were answered with 200, but what they approved did not run")
                time.sleep(_LOOK_EVERY)


@dataclass(slots=True)
class Theirs:
    """A Bolt app that only acknowledges."""

    address: str
    clicks: Clicks

    def one_by_one(self, count: int) -> Iterator[float]:
        """Make a click, and yield how long it took."""
        for click in one_at_a_time(self.address, self._requests(count)):
            yield click.seconds

    def all_at_once(self, count: int) -> list[Sent]:
        """Make clicks, 64 at a time."""
        return asyncio.run(many_at_once(self.address, self._requests(count), connections=IN_FLIGHT))

    def _requests(self, count: int) -> list[bytes]:
        return [self.clicks.signed(_NOBODY, at=time.time()) for _ in range(count)]


def _one_at_a_time(plan: Plan, ours: Ours, tuned: Theirs, stock: Theirs, raw: Raw) -> Iterator[Row]:
    count, found, effects = plan.many(25, least=2), Rounds(), Rounds()
    for _ in range(plan.rounds + 1):
        ours.effects.clear()
        # Click by click in turn: who comes back after a pause is treated otherwise by the machine than who never rests.
        taken = alternated(
            count,
            {
                "ours": ours.one_by_one(count),
                "tuned": tuned.one_by_one(count),
                "stock": stock.one_by_one(count),
                "commit": raw.commits(count),
            },
        )
        found.add(**{name: median(values) for name, values in taken.items()})
        effects.add(begun=median(ours.effects), late=percentile(ours.effects, 0.95))
    for rounds in (found, effects):
        rounds.forget_first()
    may = Spread([one + 2 * two for one, two in zip(found.of("tuned").values, found.of("commit").values, strict=True)])
    detail = ", ".join(f"{name} {found.of(name).median * 1e3:.2f} ms" for name in ("ours", "tuned", "stock", "commit"))
    what = "signed click → 200, durable, one at a time"
    yield at_most(what, found.of("ours").over(may), 1, "x (tuned Bolt + 2 commits)", detail=detail)
    yield at_most(f"{what}, against stock Bolt", found.of("ours").over(found.of("stock")), 1, "x stock Bolt")
    late = f"95th percentile {effects.of('late').median * 1e3:.1f} ms"
    yield at_most("approve → effect begun, after the answer", effects.of("begun").times(1e3), 10, "ms", detail=late)


def _many(plan: Plan, ours: Ours, tuned: Theirs) -> Iterator[Row]:
    count, tails = plan.many(640, least=IN_FLIGHT), Rounds()

    def rate(which: Ours | Theirs) -> float:
        sent = which.all_at_once(count)
        tails.add(**{type(which).__name__: percentile([click.seconds for click in sent], 0.99)})
        return count / (max(click.answered for click in sent) - min(click.began for click in sent))

    found = taken_in_turns(plan.rounds, {"ours": lambda: rate(ours), "tuned": lambda: rate(tuned)})
    rates = f"{found.of('ours').median:,.0f}/s against {found.of('tuned').median:,.0f}/s"
    what = f"{IN_FLIGHT} clicks in flight, all effects included"
    yield at_least(
        f"{what}: clicks a second", found.of("ours").over(found.of("tuned")), 0.35, "x tuned Bolt", detail=rates
    )
    tail, floor = tails.of("Ours"), tails.of("Theirs")
    slow = f"{tail.median * 1e3:.0f} ms against {floor.median * 1e3:.0f} ms"
    yield at_most(f"{what}: 99th percentile", tail.over(floor), 3, "x tuned Bolt", detail=slow)
