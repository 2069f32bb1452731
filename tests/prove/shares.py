"""A trial, shared out among a few forked processes that stop as soon as one of them has found a violation."""

import multiprocessing
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Final

from tests.prove.proof import Outcome, Progress, Trial

_FORK: Final = multiprocessing.get_context("fork")
PROCESSES: Final = 2
_LOOK_EVERY: Final = 0.5
"""Seconds between looks at how far the shares are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What one process does."""

    number: int
    count: int
    """How many units."""
    seed: str
    folder: Path
    """An empty folder of its own."""
    done: "Synchronized[int]"
    over: "Synchronized[int]"

    def rounds(self, outcome: Outcome) -> Iterator[str]:
        """Yield the seed of one round after the other, until all is *done* or any share has found a violation."""
        number = 0
        while outcome.done < self.count and not self.over.value:
            yield f"{self.seed}:{number}"
            number += 1
            self.done.value = outcome.done
            if outcome.violations:
                self.over.value = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """What the shares did together: `notes` holds counts, which are added up."""

    outcome: Outcome
    counts: Counter[str]


Work = Callable[[Share, Outcome, Counter[str]], None]
"""Does a share; what it did and found goes into the outcome, and what else it counted into the counter."""


def in_shares(trial: Trial, work: Work, *, processes: int = PROCESSES) -> Shared:
    """Have forked processes do *work*, and add up what they did; what was imported before is imported once."""
    over = _FORK.Value("b", 0)
    shares = [_share(trial, number, processes, over) for number in range(processes)]
    receivers = [_started(work, share) for share in shares]
    together = Shared(outcome=Outcome(), counts=Counter())
    while receivers:
        for receiver in wait(receivers, _LOOK_EVERY):
            assert isinstance(receiver, Connection)
            receivers.remove(receiver)
            _add(together, receiver)
        _tell(trial.progress, shares)
    return together


def _share(trial: Trial, number: int, processes: int, over: "Synchronized[int]") -> Share:
    folder = trial.folder / str(number)
    folder.mkdir()
    count = trial.count // processes + (number < trial.count % processes)
    seed = f"{trial.seed}:{number}"
    return Share(number=number, count=count, seed=seed, folder=folder, done=_FORK.Value("q", 0), over=over)


def _started(work: Work, share: Share) -> Connection:
    receiver, sender = _FORK.Pipe(duplex=False)
    _FORK.Process(target=_serve, args=(work, share, sender)).start()
    sender.close()
    return receiver


def _serve(work: Work, share: Share, sender: Connection) -> None:
    outcome, counts = Outcome(), Counter[str]()
    try:
        work(share, outcome, counts)
    except BaseException:  # boundary: whatever it is, the process that waits must hear of it
        sender.send((traceback.format_exc(), outcome, counts))
        raise
    sender.send(("", outcome, counts))


def _add(together: Shared, receiver: Connection) -> None:
    fault, outcome, counts = receiver.recv()
    if fault:
        raise RuntimeError(f"a share of the trial ended with {fault}")
    together.outcome.done += outcome.done
    together.outcome.violations += outcome.violations
    together.outcome.notes += outcome.notes
    together.counts.update(counts)


def _tell(progress: Progress, shares: list[Share]) -> None:
    progress.at(sum(share.done.value for share in shares))
