"""Every call that can fail does: the k-th write, sync, connect, send or receive of a full run, for every k."""

import errno
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from typing import Any, Final

from tests.in_memory import memory_folder
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shim.build import built, environment
from tests.prove.shim.control import Fault, Kind, Manner

_WAYS: Final[Mapping[Kind, Sequence[tuple[int, Manner]]]] = {
    Kind.WRITE: [
        *((error, manner) for error in (errno.EIO, errno.ENOSPC) for manner in (Manner.ONCE, Manner.ONWARD)),
        (errno.EIO, Manner.AFTERWARDS),
        (errno.EIO, Manner.HALFWAY),
        (errno.ENOSPC, Manner.HALFWAY),
    ],
    Kind.SYNC: [
        *((error, manner) for error in (errno.EIO, errno.ENOSPC) for manner in (Manner.ONCE, Manner.ONWARD)),
        (errno.EIO, Manner.AFTERWARDS),
    ],
    Kind.NET: [(errno.ECONNRESET, manner) for manner in (Manner.ONCE, Manner.ONWARD, Manner.AFTERWARDS)],
}
_WORTH_ANOTHER: Final = 100
"""Faults that take as long as starting one more process."""
_HOST: Final = "127.0.0.1"
_NEEDED: Final = ("write faults fired", "sync faults fired", "net faults fired", "effects", "refusals")
_ENOUGH_TO_SEE: Final = 100
_ENOUGH: Final = 5
"""Violations after which nothing more is tried."""


class Ledger(BaseHTTPRequestHandler):
    """The target: POST /KEY touches it; GET /START says how often each key that starts so was touched."""

    touched: Counter[str]
    timeout = 10

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.touched[self.path[1:]] += 1
        self._answer({})

    def do_GET(self) -> None:
        self._answer({key: count for key, count in self.touched.items() if key.startswith(self.path[1:])})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is declared
        pass

    def _answer(self, said: Mapping[str, int]) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Loopback(HTTPServer):
    """Serves a ledger, one connection after the other: whoever looks sees whatever was sent before.

    That a connection breaks is what it is here for.
    """

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def _target() -> Iterator[int]:
    handler = type("OneLedger", (Ledger,), {"touched": Counter()})
    with Loopback((_HOST, 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            serving.join()


class Worker:
    """One process that runs faults."""

    def __init__(self, folder: Path, library: Path, port: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "tests.prove.fault_sweep_worker", str(folder), _HOST, str(port)],
            env=environment(library),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self) -> Any:
        """Return its next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process under faults ended with {self._process.wait()}")
        return json.loads(line)

    def run(self, fault: Fault) -> tuple[list[str], Counter[str]]:
        """Have it run one."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([fault.kind, fault.call, fault.error, fault.manner]) + "\n")
        self._process.stdin.flush()
        broken, seen = self.read()
        return broken, Counter(seen)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def run(trial: Trial) -> Outcome:
    """Try every fault there is, or as many by chance as were asked for."""
    with memory_folder() as folder, _target() as port:
        library = built(folder)
        at_once = min(os.cpu_count() or 1, 1 + trial.count // _WORTH_ANOTHER)
        workers = [Worker(folder / str(number), library, port) for number in range(at_once)]
        try:
            return _swept(workers, trial)
        finally:
            for worker in workers:
                worker.close()


def _swept(workers: Sequence[Worker], trial: Trial) -> Outcome:
    calls = [worker.read() for worker in workers][-1]
    there_are = _all(calls, Random(trial.seed))
    chosen = SimpleQueue[Fault]()
    for fault in there_are[: trial.count]:
        chosen.put(fault)
    outcome = Outcome()
    seen: Counter[str] = Counter()
    with ThreadPoolExecutor(len(workers)) as pool:
        for share in [pool.submit(_share, worker, chosen, outcome, trial) for worker in workers]:
            seen += share.result()
    outcome.notes.append(_covered(calls, there_are[: trial.count], len(there_are)))
    outcome.notes.append("; ".join(f"{count:,} {what}" for what, count in sorted(seen.items())))
    if outcome.done >= _ENOUGH_TO_SEE:
        outcome.violations += [f"never seen: {what}" for what in _NEEDED if not seen[what]]
    return outcome


def _covered(calls: Mapping[str, int], tried: Sequence[Fault], all_: int) -> str:
    reached = Counter(kind for kind, _ in {(fault.kind, fault.call) for fault in tried})
    told = ", ".join(f"{reached[kind]:,} of {calls[kind.name]:,} {kind.name.lower()} calls" for kind in Kind)
    return f"failed: {told}; {len(tried):,} of {all_:,} faults"


def _all(calls: Mapping[str, int], chance: Random) -> list[Fault]:
    """Return every fault: the kinds in turn, and of each kind every call in one way, then every call in another."""
    by_kind = [_of_a_kind(kind, calls[kind.name], chance) for kind in Kind]
    return [fault for turn in zip_longest(*by_kind) for fault in turn if fault is not None]


def _of_a_kind(kind: Kind, calls: int, chance: Random) -> list[Fault]:
    found = []
    for call in range(1, calls + 1):
        ways = chance.sample(_WAYS[kind], len(_WAYS[kind]))
        found += [
            (turn, chance.random(), Fault(kind=kind, call=call, error=error, manner=manner))
            for turn, (error, manner) in enumerate(ways)
        ]
    return [fault for _, _, fault in sorted(found, key=itemgetter(0, 1))]


def _share(worker: Worker, chosen: "SimpleQueue[Fault]", outcome: Outcome, trial: Trial) -> Counter[str]:
    seen: Counter[str] = Counter()
    while len(outcome.violations) < _ENOUGH:
        try:
            fault = chosen.get_nowait()
        except Empty:
            break
        broken, counted = worker.run(fault)
        outcome.violations += broken
        outcome.done += 1
        seen += counted
        trial.progress.at(outcome.done, f"{len(outcome.violations)} violations")
    return seen


PROOF: Final = Proof(
    name="fault-sweep",
    promise="Whichever write, sync, connect, send or receive fails: no effect without a durable `executing`, nothing "
    "acknowledged is lost, a sentence says what happened, and the next start finds everything in order.",
    count=1_500,
    unit="faults",
    run=run,
    # Five violations end a trial: these are far more faults than it takes.
    bugs={"goes on after a failed sync": 150, "audit in its own transaction": 150, "no answer taken for not sent": 300},
)
