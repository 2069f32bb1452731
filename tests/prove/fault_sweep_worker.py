"""A process that the library stands before, and that forks one run of the scenario for each fault it is told.

`python -m tests.prove.fault_sweep_worker FOLDER HOST PORT`; reads faults as JSON lists, one a line, and answers each
with a line: what was broken, and what was seen.
"""

from tests.prove.one import plant_from_environment

if __name__ == "__main__":
    plant_from_environment()

import asyncio
import gc
import http.client
import json
import logging
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

from tests.prove.fault_scenario import Scenario
from tests.prove.power_images import Expected, judge
from tests.prove.power_recorder import DATABASE, template
from tests.prove.shim.control import Fault, Kind, Manner, Shim
from tests.prove.shim.disk import Disk, Fate
from tests.prove.shim.recording import Event, What, events

PATIENCE: Final = 60
"""Seconds after which a run hangs."""


class Sweep:
    """Runs faults one after the other, in a folder of its own."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self._folder = folder
        self._host, self._port = host, port
        self._shim = Shim()
        self._number = 0
        template(folder / "template")
        # Once here, so that no run has to import or to compile anything.
        first = Path(shutil.copytree(folder / "template", folder / "first"))
        asyncio.run(self._scenario(first, ends_well=True).play())
        gc.freeze()  # what every fork would copy to look through it

    def calls(self) -> dict[str, int]:
        """Return how many calls of each kind a run makes when nothing fails."""
        self._fork(Fault(kind=Kind.WRITE, call=0, error=0, manner=Manner.ONCE))
        said: dict[str, int] = json.loads((self._folder / "said").read_text())["calls"]
        return said

    def run(self, fault: Fault) -> tuple[list[str], Counter[str]]:
        """Run once; return what was broken and what was seen."""
        status = self._fork(fault)
        if status != 0:
            return [f"{fault}: the run ended with {status} (negative: a signal, -{signal.SIGALRM}: it hung)"], Counter()
        said = json.loads((self._folder / "said").read_text())
        happened = list(events(self._folder / "log"))
        broken, seen = asyncio.run(self._judged(happened, fault))
        seen += Counter(runs=1, refusals=said["refused"])
        return [f"{fault}: {what}" for what in [*said["problems"], *broken]], seen

    def _fork(self, fault: Fault) -> int:
        self._number += 1
        for name in ("root", "before", "image"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        for name in ("log", "said"):
            (self._folder / name).unlink(missing_ok=True)
        shutil.copytree(self._folder / "template", self._folder / "root")
        pid = os.fork()
        if pid == 0:
            self._in_the_child(fault)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _in_the_child(self, fault: Fault) -> None:
        signal.alarm(PATIENCE)
        root = self._folder / "root"
        self._shim.record(root, self._folder / "log")
        self._shim.fail(fault)
        scenario = self._scenario(root, ends_well=fault.call % 2 == 0)
        asyncio.new_event_loop().run_until_complete(scenario.play())
        calls = {kind.name: self._shim.calls(kind) for kind in Kind}
        said = {"problems": scenario.problems, "refused": scenario.refused, "calls": calls}
        (self._folder / "said").write_text(json.dumps(said))
        os._exit(0)

    def _scenario(self, root: Path, *, ends_well: bool) -> Scenario:
        endpoint = f"http://{self._host}:{self._port}"
        return Scenario(root, self._shim, endpoint, self._name, ends_well=ends_well)

    @property
    def _name(self) -> str:
        return f"{self._folder.name}-{self._number}"

    async def _judged(self, happened: list[Event], fault: Fault) -> tuple[list[str], Counter[str]]:
        root, image = self._folder / "root", self._folder / "image"
        disk, expected = Disk.holding(self._folder / "template", root), Expected()
        broken: list[str] = []
        for event in happened:
            disk.take(event)
            if event.what is What.MARKED:
                expected.hear(event.text.decode())
                if event.text.startswith(b"EFFECT "):
                    broken += self._not_yet_executing(disk, event.text.decode().split()[1])
        effects = self._effects()
        disk.lose_power(image, Fate.LOST, Random(0))
        broken += [f"{what} [process gone, disk healthy]" for what in await judge(root, expected, effects)]
        if fault.kind is Kind.SYNC:
            expected.kill_files = frozenset()  # a file whose folder cannot be synced stops until the power fails
        broken += [f"{what} [everything unsynced lost]" for what in await judge(image, expected, effects)]
        failed = sum(event.what is What.FAILED for event in happened)
        fired = f"{fault.kind.name.lower()} faults fired"
        return broken, Counter({fired: failed, "effects": effects.total(), "effects begun": expected.effects.total()})

    def _not_yet_executing(self, disk: Disk, mark: str) -> Iterator[str]:
        image = self._folder / "moment"
        disk.lose_power(image, Fate.LOST, Random(0))
        with closing(sqlite3.connect(image / DATABASE)) as connection:
            found = connection.execute(
                "SELECT status FROM proposals WHERE json_extract(parameters, '$.mark') = ? AND attempts = 1", (mark,)
            ).fetchall()
        shutil.rmtree(image)
        if found != [("executing",)]:
            yield f"I3: {mark} began, and on the disk it was {found or 'not claimed'}"

    def _effects(self) -> Counter[str]:
        with closing(http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE)) as connection:
            connection.request("GET", f"/{self._name}-")
            return Counter(json.loads(connection.getresponse().read()))


def main(arguments: Sequence[str]) -> None:
    """Answer until standard input ends."""
    logging.disable()  # what is made to go wrong is told as refusals
    folder, host, port = Path(arguments[0]), arguments[1], int(arguments[2])
    folder.mkdir()
    sweep = Sweep(folder, host, port)
    print(json.dumps(sweep.calls()), flush=True)  # noqa: T201 - whoever waits for it reads this
    for line in sys.stdin:
        kind, call, error, manner = json.loads(line)
        fault = Fault(kind=Kind(kind), call=call, error=error, manner=Manner(manner))
        print(json.dumps(sweep.run(fault)), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main(sys.argv[1:])
