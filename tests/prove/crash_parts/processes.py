"""Processes forked from one that has imported everything, which end by SIGKILL or without cleaning up."""

import logging
import os
import select
import signal
import traceback
from collections.abc import Callable
from enum import StrEnum
from typing import Final

PATIENCE: Final = 60.0
"""Seconds after which a process that has not ended counts as hung."""


class End(StrEnum):
    """How a process ended."""

    FINISHED = "finished"
    KILLED = "killed"
    FAILED = "failed"
    HUNG = "hung"


def forked(work: Callable[[], None], tell: Callable[[str], None]) -> int:
    """Do *work* in a forked process and return its process id; *tell* hears of an error that it ends with."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        logging.disable(logging.CRITICAL)  # what is killed complains a lot
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - boundary: whatever it is, the judge must hear of it
        tell(traceback.format_exc())
    finally:
        os._exit(code)


def ended(pid: int, *, within: float = PATIENCE) -> End:
    """Wait until it has ended, and say how; kill it when it takes too long."""
    if not _has_ended(pid, within):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return End.HUNG
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return End.KILLED
    return End.FINISHED if os.waitstatus_to_exitcode(status) == 0 else End.FAILED


def kill(pid: int) -> End:
    """Kill it, unless it has ended by itself meanwhile, and say how it ended."""
    os.kill(pid, signal.SIGKILL)
    return ended(pid)


def _has_ended(pid: int, within: float) -> bool:
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], within)[0])
    finally:
        os.close(descriptor)
