"""Forged, mangled and replayed requests at the gate of Slack's address, between requests that are genuine."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from bot.gate import SlackGate
from tests.bot.forged_requests import MANGLINGS, Entrance, Sent, added, ask, chunks, signed, with_header
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import Share, in_shares

ROUND: Final = 250
"""Requests that come to the same entrance, so that there is something to be replayed."""
GENUINE: Final = 25
MOST_LOGGED: Final = 200
"""Bytes of the one line that a refused request may leave in the log."""
KINDS: Final = (*MANGLINGS, "replayed", "replayed elsewhere", "recombined")


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@dataclass(kw_only=True)
class Siege:
    """One round: an entrance, what it let in, and what was sent that it must not let in."""

    random: Random
    lines: Lines
    entrance: Entrance = field(default_factory=Entrance)
    genuine: list[Sent] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    async def lay(self) -> None:
        """Send the requests of a round, the genuine ones among the others."""
        gates = [self.entrance.gate, self.entrance.another_gate()]
        kinds = ["genuine"] * GENUINE + self.random.choices(KINDS, k=ROUND - GENUINE)
        self.random.shuffle(kinds)
        for kind in ["genuine", *kinds[1:]]:
            await self._send(kind, gates)

    async def _send(self, kind: str, gates: Sequence[SlackGate]) -> None:
        sent, before = self._request(kind), len(self.entrance.behind.bodies)
        gate = self.random.choice(gates) if kind == "replayed elsewhere" else gates[0]
        status, body = await ask(gate, sent, chunks(sent), client=self.random.choice(["10.0.0.1", "::1\r\n\x1b[31m"]))
        let_in = len(self.entrance.behind.bodies) - before
        logged, self.lines.texts = self.lines.texts, []
        self.counts[kind] += 1
        self.counts[str(status)] += 1
        if kind == "genuine":
            self.genuine.append(sent)
            self._require(status == 200 and let_in == 1, f"a genuine request was answered with {status}")
            return
        self._require(let_in == 0, f"a request that was {kind} was let in")
        self._require(_refused(kind, status), f"a request that was {kind} was answered with {status}")
        self._require(len(body) <= MOST_LOGGED, f"a request that was {kind} was answered with {len(body)} bytes")
        self._require(_is_one_line(logged), f"a request that was {kind} left in the log: {ascii(logged)[:300]}")

    def _request(self, kind: str) -> Sent:
        match kind:
            case "genuine":
                body = b"payload=%d" % len(self.genuine) + self.random.randbytes(self.random.randrange(300))
                return signed(self.entrance.timestamp + self.random.randrange(-300, 301), body)
            case "replayed" | "replayed elsewhere":
                return _dressed_up(self.random.choice(self.genuine), self.random)
            case "recombined":
                return replace(self.random.choice(self.genuine), body=self.random.randbytes(40))
            case _:
                return MANGLINGS[kind](self.entrance, self.random)

    def _require(self, held: bool, fault: str) -> None:
        if not held:
            self.faults.append(fault)


def _dressed_up(sent: Sent, random: Random) -> Sent:
    """Return the same signed bytes with something else about them that nobody has signed."""
    match random.randrange(4):
        case 0:
            return with_header(sent, b"user-agent", b"Slackbot 2.0")
        case 1:
            return added(sent, b"x-slack-retry-num", b"1")
        case 2:
            return replace(sent, headers=[(name.title(), b" " + value) for name, value in sent.headers], parts=3)
        case _:
            return sent


def _refused(kind: str, status: int) -> bool:
    return status == 409 if kind.startswith("replayed") else 400 <= status < 500


def _is_one_line(logged: Sequence[str]) -> bool:
    return len(logged) == 1 and len(logged[0]) <= MOST_LOGGED and logged[0].isascii() and logged[0].isprintable()


def besiege(share: Share, outcome: Outcome, counts: Counter[str]) -> None:
    """Do a share."""
    lines, log = Lines(), logging.getLogger("bot.gate")
    log.addHandler(lines)
    log.propagate = False
    for seed in share.rounds(outcome):
        siege = Siege(random=Random(seed), lines=lines)
        asyncio.run(siege.lay())
        outcome.done += ROUND - GENUINE
        counts.update(siege.counts)
        outcome.violations += [f"seed {seed}: {fault}" for fault in dict.fromkeys(siege.faults)]


def run(trial: Trial) -> Outcome:
    """Send them."""
    shared = in_shares(trial, besiege)
    outcome, counts = shared.outcome, shared.counts
    answers = ", ".join(f"{counts[status]:,} of {status}" for status in sorted(filter(str.isdecimal, counts)))
    outcome.notes = [f"{counts['genuine']:,} genuine requests among them; answers: {answers}"]
    never = [kind for kind in KINDS if not counts[kind]]
    if never and outcome.done >= 20 * len(KINDS):
        outcome.violations.append(f"never sent: {', '.join(never)}")
    return outcome


PROOF: Final = Proof(
    name="gate",
    promise=(
        "No forged, mangled or replayed request passes the gate, breaks it, or leaves more than one short line in the "
        "log; every genuine one passes once."
    ),
    count=50_000,
    unit="requests",
    run=run,
    bugs={
        "replays not looked up": 500,
        "signature compared in part": 2_000,
        "time compared one way": 500,
        "header of a stranger in the log": 500,
    },
)
