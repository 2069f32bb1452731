"""The power fails at any moment: the disk is then rebuilt as it may be found, and opened by the real code."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tests.in_memory import memory_folder
from tests.prove.power_images import IMAGES_EACH, judged
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shim.build import built, environment

ROUNDS: Final = 70
"""Of a recording; enough for SQLite to move a full journal into the database on its own."""
_ENOUGH_TO_SEE: Final = 4 * IMAGES_EACH
_NEEDED: Final = (
    "audit lines acknowledged",
    "effects begun",
    "changes not synced",
    "torn or reordered",
    "kill files held",
)


def run(trial: Trial) -> Outcome:
    """Record processes at work, cut their power, and look."""
    outcome = Outcome()
    counts: Counter[str] = Counter()
    images = [IMAGES_EACH] * (trial.count // IMAGES_EACH) + [trial.count % IMAGES_EACH] * (
        trial.count % IMAGES_EACH > 0
    )
    with memory_folder() as folder, ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        judging: list[Future[tuple[list[str], Counter[str]]]] = [
            pool.submit(judged, folder, number, f"{trial.seed}/{number}", images[number])
            for number in _recorded(folder, trial.seed, len(images))
        ]
        for future in as_completed(judging):
            violations, seen = future.result()
            outcome.violations += violations
            counts += seen
            outcome.done += seen["images"]
            trial.progress.at(outcome.done, f"{len(outcome.violations)} violations")
    outcome.notes.append("; ".join(f"{count:,} {what}" for what, count in sorted(counts.items())))
    if trial.count >= _ENOUGH_TO_SEE:
        outcome.violations += [f"never seen: {what}" for what in _NEEDED if not counts[what]]
    return outcome


def _recorded(folder: Path, seed: int, count: int) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.prove.power_recorder", str(folder), str(seed)]
    with subprocess.Popen(  # noqa: S603 - our own module
        [*command, str(count), str(ROUNDS)],
        env=environment(built(folder)),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield from map(int, process.stdout)
    if process.returncode != 0:
        raise RuntimeError(f"the recorded process ended with {process.returncode}")


PROOF: Final = Proof(
    name="power-loss",
    promise="After a power cut the database opens, everything that was acknowledged is in it, and no effect had begun "
    "whose `executing` was not on the disk.",
    count=5_000,
    unit="images",
    run=run,
    bugs={"synchronous normal": 60, "send before claim": 120, "answered before the commit": 60},
)
