"""`operator demo` as a person starts it: a process with a terminal's signals and a temporary directory of its own."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OPERATOR = "from bot.cli.main import main; main()"
ENDS_WITHIN = 12.0


class RunningDemo:
    def __init__(self, home: Path, process: "subprocess.Popen[str]") -> None:
        self._home = home
        self._process = process
        self.said = ""

    def until(self, text: str) -> None:
        """Read what it says up to a line with *text*; fails if it ends before."""
        assert self._process.stdout is not None
        while text not in self.said:
            line = self._process.stdout.readline()
            assert line, f"it ended without saying {text!r}:\n{self.said}"
            self.said += line

    def interrupt(self) -> None:
        """Send what Ctrl-C sends: SIGINT to everybody in the foreground."""
        os.killpg(self._process.pid, signal.SIGINT)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        """End it without a chance to clean up, and wait until everything that it had started has ended too."""
        watched = [os.pidfd_open(pid) for pid in self.processes()]
        self._process.kill()
        self._process.wait()
        for descriptor in watched:
            select.select([descriptor], [], [], ENDS_WITHIN)
            os.close(descriptor)

    def ends(self, *, within: float = ENDS_WITHIN) -> int:
        rest, _ = self._process.communicate(timeout=within)
        self.said += rest
        return self._process.returncode

    def processes(self) -> dict[int, str]:
        """Return the command lines of everything that it started, by pid, whoever is its parent by now."""
        mark = f"TMPDIR={self._home}\0".encode()
        found: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):  # gone meanwhile, or somebody else's
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def started(self, word: str) -> int:
        """Return the pid of the process with *word* in its command line."""
        (pid,) = [pid for pid, line in self.processes().items() if word in line and pid != self._process.pid]
        return pid

    def require_nothing_left(self) -> None:
        assert self.processes() == {}
        assert list(self._home.iterdir()) == []
        assert "Traceback" not in self.said

    def kill_everything(self) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def running_demo(home: Path, *arguments: str) -> Iterator[RunningDemo]:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", OPERATOR, "demo", *arguments],
        env={**os.environ, "TMPDIR": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    demo = RunningDemo(home, process)
    try:
        yield demo
    finally:
        demo.kill_everything()
        assert process.stdout is not None
        process.stdout.close()
