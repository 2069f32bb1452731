"""How slow the machine is meanwhile: a process that counts, and sees how much longer it takes than it should."""

from multiprocessing.connection import Connection
from statistics import fmean
from time import perf_counter, thread_time
from typing import Final

SPIN: Final = 0.02
"""Seconds of processor time."""
PAUSE: Final = 0.2


def keep_pace(connection: Connection) -> None:
    """Whenever told anything, say how many times slower than alone it has been since the last time."""
    slower = [_slower()]
    while True:
        if connection.poll(PAUSE):
            if connection.recv() is None:
                return
            connection.send(fmean(slower))
            slower.clear()
        slower.append(_slower())


def _slower() -> float:
    began, until = perf_counter(), thread_time() + SPIN
    while thread_time() < until:
        pass
    return (perf_counter() - began) / SPIN
