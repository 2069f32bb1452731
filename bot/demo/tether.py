"""Run a program that dies with whoever started it: `python tether.py SIGNAL PROGRAM ARGUMENTS…`.

The kernel sends the signal when the parent is gone, even if that was killed. Only Linux can; elsewhere the program runs
untethered, and the parent's own clean-up has to do.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> None:
    """Become the program. Returns only by raising `OSError`, or `SystemExit` if the parent is gone already."""
    sent, program = signal.Signals[arguments[0]], arguments[1:]
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(f"{program[0]}: whoever started this is gone")
    os.execv(program[0], program)  # noqa: S606 - the program that the demo names, without a shell


if __name__ == "__main__":
    main(sys.argv[1:])
