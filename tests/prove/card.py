"""Messages, modals and tabs whose every field that an attacker can reach was filled by one."""

from collections import Counter
from typing import Final

from tests.bot.views.attacks import ATTACKS
from tests.bot.views.hostile import TEXTS, Attacker
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import Share, in_shares

SHOWN: Final = 300
"""Characters of a fault that are told."""
ENOUGH: Final = 20_000
OFFERED: Final = "cards with Approve"


def attack(share: Share, outcome: Outcome, counts: Counter[str]) -> None:
    """Do a share: each round fills everything once, and what can be approved as often as all else together."""
    for each in share.rounds(outcome):
        for number, what in enumerate([*ATTACKS, *["card"] * len(ATTACKS)]):
            attacker = Attacker(f"{each}:{number}")
            outcome.violations += [f"seed {each}:{number}: {what}: {fault}" for fault in _faults(what, attacker)]
            outcome.done += attacker.met.pop(TEXTS, 0)
            counts.update(attacker.met)
            counts["messages"] += 1


def _faults(what: str, attacker: Attacker) -> list[str]:
    try:
        return [ascii(fault)[:SHOWN] for fault in dict.fromkeys(ATTACKS[what](attacker))]
    except Exception as error:  # noqa: BLE001 - boundary: what cannot be drawn breaks delivery, which is a violation too
        return [f"{type(error).__name__}: {error}"[:SHOWN]]


def run(trial: Trial) -> Outcome:
    """Show them."""
    shared = in_shares(trial, attack)
    outcome, counts = shared.outcome, shared.counts
    outcome.notes = [f"in {counts['messages']:,} messages of {len(ATTACKS)} kinds; {counts[OFFERED]:,} {OFFERED}"]
    if not counts[OFFERED] and outcome.done >= ENOUGH:
        outcome.violations.append("no card offered Approve, so that nothing about it was tried")
    return outcome


PROOF: Final = Proof(
    name="card",
    promise=(
        "No text from outside pings, links, hides, impersonates or breaks a message, and Approve stands only under "
        "parameters that read back exactly as stored."
    ),
    count=250_000,
    unit="hostile texts",
    run=run,
    bugs={
        "only < is escaped": 3_000,
        "text that is parsed": 3_000,
        "invisible characters as they are": 3_000,
        "parameters cut without a word": 40_000,
    },
)
