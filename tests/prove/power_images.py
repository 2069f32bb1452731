"""Images of a recorded disk after a power cut, and what must hold of each."""

import asyncio
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from actions.errors import OperatorError
from actions.models import Checkpoint
from actions.ports import Reader
from storage.audit_verify import verify
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from storage.witness import read_testimony
from tests.factories import CountingEntropy, FixedClock
from tests.invariants import check, everything
from tests.prove.power_recorder import DATABASE, STATE, WITNESS
from tests.prove.shim.disk import Disk, Fate
from tests.prove.shim.recording import Event, What, events
from tests.rig import BO, Rig, Target

IMAGES_EACH: Final = 100
"""Power cuts for each recording."""
_AT_A_MARK: Final = 0.4
"""The share of the power cuts that come just after something was acknowledged or an effect began."""
_ENOUGH: Final = 5
"""Violations after which a recording is left alone."""
_FATES: Final = (Fate.LOST, Fate.LOST, Fate.KEPT, Fate.ANY, Fate.ANY, Fate.ANY, Fate.CUT, Fate.CUT)


@dataclass(slots=True)
class Expected:
    """What the process had been told, or had done, up to a moment."""

    acknowledged: Checkpoint | None = None
    """The head of the audit log, and so everything that stands in it."""
    witnessed: list[Checkpoint] = field(default_factory=list)
    effects: Counter[str] = field(default_factory=Counter)
    told: dict[int, int] = field(default_factory=dict)
    """The version of each proposal that somebody was answered with."""
    kill_files: frozenset[str] = frozenset()

    def hear(self, mark: str) -> None:
        """Take in what the process said."""
        match mark.split(" ", 1):
            case ["ACK", line]:
                (self.acknowledged,) = read_testimony(line).checkpoints
            case ["WITNESSED", line]:
                self.witnessed += read_testimony(line).checkpoints
            case ["TOLD", what]:
                proposal_id, version = map(int, what.split())
                self.told[proposal_id] = version
            case ["EFFECT", key]:
                self.effects[key] += 1
            case ["KILL", names]:  # "KILL FILES name …"
                self.kill_files = frozenset(names.split()[1:])
            case _:
                raise ValueError(f"nobody knows the mark {mark!r}")


def judged(folder: Path, number: int, seed: str, count: int) -> tuple[list[str], Counter[str]]:
    """Cut the power of recording *number* so often; return what was broken, and what was seen."""
    return asyncio.run(_judged(folder, number, Random(f"{seed}/cuts"), count))


async def _judged(folder: Path, number: int, chance: Random, count: int) -> tuple[list[str], Counter[str]]:
    happened = list(events(folder / f"{number}.log"))
    disk, expected = Disk.holding(folder / f"{number}.before", folder / f"{number}"), Expected()
    broken: list[str] = []
    seen: Counter[str] = Counter()
    cuts = _cuts(happened, chance, count)
    for at, event in enumerate(happened):
        disk.take(event)
        if event.what is What.MARKED:
            expected.hear(event.text.decode())
        for _ in range(cuts[at] if len(broken) < _ENOUGH else 0):
            fate, image = chance.choice(_FATES), folder / f"{number}.image"
            disk.lose_power(image, fate, chance)
            where = f"recording {number}, cut after event {at} of {len(happened)}, unsynced {fate}"
            broken += [f"{said} [{where}]" for said in await judge(image, expected, expected.effects)]
            seen += _seen(disk, expected, fate)
            shutil.rmtree(image)
    return broken, seen


def _cuts(happened: list[Event], chance: Random, count: int) -> Counter[int]:
    marks: dict[bytes, list[int]] = {}
    for at, event in enumerate(happened):
        if event.what is What.MARKED:
            marks.setdefault(event.text.split()[0], []).append(at)
    of_a_kind = [*marks.values()]
    return Counter(
        chance.choice(chance.choice(of_a_kind)) if chance.random() < _AT_A_MARK else chance.randrange(len(happened))
        for _ in range(count)
    )


def _seen(disk: Disk, expected: Expected, fate: Fate) -> Counter[str]:
    return Counter(
        {
            "images": 1,
            "changes not synced": disk.unsynced,
            "torn or reordered": int(disk.unsynced > 0 and fate in {Fate.ANY, Fate.CUT}),
            "audit lines acknowledged": expected.acknowledged.seq if expected.acknowledged else 0,
            "effects begun": expected.effects.total(),
            "kill files held": len(expected.kill_files),
            "checkpoints witnessed": len(expected.witnessed),
        }
    )


async def judge(image: Path, expected: Expected, effects: Counter[str]) -> list[str]:
    """Open what was found, as the bot would, and return what does not hold, given the *effects* that there are."""
    url = f"sqlite:///{image / DATABASE}"
    clock = FixedClock()
    kill_files = DirectoryKillFiles(image / STATE, entropy=CountingEntropy(prefix="after"))
    problems = [f"the kill file {name} is gone" for name in sorted(expected.kill_files - set(kill_files.present()))]
    try:
        store = SqlStore.open(url, clock=clock, check=True)
    except OperatorError as error:
        return [*problems, f"it cannot be opened: {error}"]
    try:
        problems += verify(url, _promised(image, expected)).problems
        rig = Rig(store, kill_files, clock, owner="host/2/after", target=Target(ledger=Counter(effects)))
        problems += await _goes_on(rig, expected, effects)
    finally:
        await store.close()
    return problems


def _promised(image: Path, expected: Expected) -> list[Checkpoint]:
    kept = image / WITNESS
    testimony = read_testimony(kept.read_text(errors="replace")).checkpoints if kept.exists() else ()
    acknowledged = [expected.acknowledged] if expected.acknowledged else []
    return [*acknowledged, *expected.witnessed, *testimony]


async def _goes_on(rig: Rig, expected: Expected, effects: Counter[str]) -> list[str]:
    try:
        await rig.store.read(lambda reader: _known(reader, expected))
        await rig.reconciler.recover(lambda _: True)
        await rig.safety.sweep_stopped()
        await rig.store.read(lambda reader: check(reader, effects, {}))
        await rig.reconciler.reconcile()
        await rig.safety.kill_switch(by=BO, reason="after the power cut")
        await rig.store.read(lambda reader: check(reader, effects, {}))
    except Exception as error:  # noqa: BLE001 - boundary: whatever cannot be done with what was found is a violation
        return [f"{type(error).__name__}: {error}"]
    return []


def _known(reader: Reader, expected: Expected) -> None:
    proposals = everything(reader)
    versions = {proposal.id: proposal.version for proposal in proposals}
    lost = [proposal_id for proposal_id, version in expected.told.items() if versions.get(proposal_id, 0) < version]
    assert not lost, f"what somebody was told of proposal {lost} is lost"
    attempted = {str(proposal.parameters["mark"]) for proposal in proposals if proposal.attempts}
    strange = sorted(expected.effects.keys() - attempted)
    assert not strange, f"I3: {', '.join(strange)} had begun, and `executing` was not on the disk"
