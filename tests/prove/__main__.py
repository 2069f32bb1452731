"""`python -m tests.prove [NAME …] [--scale 1.0] [--seed N] [--jobs N]`: one line a harness; exit 1 if one fails."""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.prove.one import TROUBLE, proof_of, run_one
from tests.prove.proof import Outcome, Proof

NAMES: Final = tuple(
    sorted(
        path.stem.replace("_", "-")
        for path in Path(__file__).parent.glob("*.py")
        if "\nPROOF: Final = Proof(" in path.read_text()
    )
)
SHOWN: Final = 5
LIBRARIES: Final = ("alembic.command", "hypothesis", "orjson", "psycopg", "pydantic", "pytest", "sqlmodel")
"""What takes long to import and is not under test: done once, and trials are forked from there."""
_FORKED: Final = multiprocessing.get_context("forkserver")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What was asked for."""

    scale: float
    seed: int

    def count(self, proof: Proof) -> int:
        """Return how many units to do."""
        return max(1, round(proof.count * self.scale))


def tried(proof: Proof, count: int, seed: int, bug: str = "") -> Outcome | str:
    """Run one trial in a process of its own; return its outcome, or how the harness itself ended without one."""
    with tempfile.TemporaryDirectory(prefix="operator-prove-") as name:
        folder = Path(name)
        process = _FORKED.Process(target=run_one, args=(proof.name, count, seed, folder, bug))
        process.start()
        process.join()
        said, trouble = folder / "outcome.json", folder / TROUBLE
        if not said.is_file():
            last = trouble.read_text(errors="replace").strip().splitlines()[-1:] if trouble.exists() else ["see above"]
            return f"the harness itself ended with {process.exitcode}: {''.join(last)}"
        return Outcome(**json.loads(said.read_text()))


def missed(proof: Proof, seed: int) -> list[str]:
    """Plant each seeded bug; say which were not found, and by what."""
    lines = []
    for bug, count in proof.bugs.items():
        outcome = tried(proof, count, seed, bug)
        if isinstance(outcome, str):
            lines.append(f"with the seeded bug {bug!r} {outcome}")
        elif not outcome.violations:
            lines.append(f"missed the seeded bug {bug!r} in {outcome.done:,} {proof.unit}")
    return lines


def proven(proof: Proof, plan: Plan) -> tuple[bool, list[str]]:
    """Find the seeded bugs, then try the promise; return whether it held, and what to say."""
    began = time.monotonic()
    wrong = missed(proof, plan.seed)
    found = len(proof.bugs) - len(wrong)
    outcome = tried(proof, plan.count(proof), plan.seed)
    if isinstance(outcome, str):
        wrong.append(outcome)
        outcome = Outcome()
    wrong += outcome.violations[:SHOWN]
    held = not wrong and outcome.done > 0
    line = (
        f"{'held  ' if held else 'BROKEN'}  {proof.name:<18} {outcome.done:>9,} {proof.unit}, "
        f"{len(outcome.violations)} violations; {found} of {len(proof.bugs)} seeded bugs found; "
        f"seed {plan.seed}; {time.monotonic() - began:.0f} s"
    )
    return held, [line, *(f"        {more}" for more in [*outcome.notes, *wrong])]


def main(arguments: Sequence[str]) -> int:
    """Prove what was named, or everything."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description="The large counts.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(NAMES)}")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every count; CI runs 0.1")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)), help="default: a new one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="harnesses at once")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.names) - set(NAMES))
    if unknown:
        parser.error(f"no such harness: {', '.join(unknown)}. There are: {', '.join(NAMES)}")
    return prove(
        [proof_of(name) for name in asked.names or NAMES], Plan(scale=asked.scale, seed=asked.seed), asked.jobs
    )


def prove(proofs: Sequence[Proof], plan: Plan, jobs: int) -> int:
    """Run them, those that measure times one after the other, and say what became of each as soon as it is known."""
    _FORKED.set_forkserver_preload([*LIBRARIES])
    saying = threading.Lock()

    def say(proof: Proof) -> bool:
        held, lines = proven(proof, plan)
        with saying:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()
        return held

    with ThreadPoolExecutor(jobs) as pool:
        together = list(pool.map(say, [proof for proof in proofs if not proof.alone]))
    alone = [say(proof) for proof in proofs if proof.alone]
    broken = [*together, *alone].count(False)
    sys.stdout.write(f"{len(proofs) - broken} of {len(proofs)} promises held.\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
