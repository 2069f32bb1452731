"""The machine that it runs on, and processes of our own on it."""

import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 15.0


def described(folder: Path) -> str:
    """Return one line about the machine, the disk under *folder* and what everything runs on."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} cores ({_processor()}), load {load} before the run; "
        f"{platform.system()} {platform.release()}, {_filesystem(folder)}; "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def compiled(bytecode: Path) -> dict[str, str]:
    """Return an environment in which each module is compiled once, into this folder."""
    left_out = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "OPERATOR_CONFIG"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "PYTHONPYCACHEPREFIX": str(bytecode)}


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this thread, and processes that it starts, on one core; where there is one only, nothing changes."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[core % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Helper:
    """A process of ours that answers lines of JSON with lines of JSON."""

    process: "subprocess.Popen[str]"

    def ask(self, **question: Any) -> Any:
        """Send a line and return the answer to it."""
        if self.process.stdin is None:
            raise ValueError("it takes no lines")
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self.said()

    def said(self) -> Any:
        """Return the next line."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.wait()}")
        return json.loads(line)


@contextmanager
def helper(
    module: str, *arguments: str, bytecode: Path, core: int, secrets: Mapping[str, str] | None = None
) -> Iterator[Helper]:
    """Run a module of ours until the block ends; its standard input ends then, at which it is to end too."""
    command = [sys.executable, "-m", module, *arguments]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with ExitStack() as stack:
        with pinned(core):
            process = stack.enter_context(running(command, bytecode=bytecode, secrets=secrets, **streams))
        yield Helper(process)


@contextmanager
def running(
    command: Sequence[str], *, bytecode: Path, secrets: Mapping[str, str] | None = None, **streams: Any
) -> Iterator["subprocess.Popen[str]"]:
    """Run a program until the block ends, then have it end in good order."""
    environ = {**compiled(bytecode), **(secrets or {})}
    process = subprocess.Popen(command, env=environ, text=True, **streams)  # noqa: S603 - our own programs
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _filesystem(folder: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    under = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(under, key=lambda mount: len(mount[0]))[1]
