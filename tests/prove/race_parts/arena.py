"""What racing processes share beside the database: how far they are, and the state of the target."""

import mmap
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from bot.system import SystemClock
from tests.factories import START

_BYTES: Final = 8


class Numbers:
    """Whole numbers in memory that forked processes share; only one of them adds to any of these."""

    def __init__(self, count: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, count * _BYTES)).cast("q")

    def __getitem__(self, index: int) -> int:
        return self._cells[index]

    def __setitem__(self, index: int, value: int) -> None:
        self._cells[index] = value

    def sum(self) -> int:
        """Return the sum of them all."""
        return sum(self._cells)


class Tally(Counter[str]):
    """A target's own count of how often each item was touched, by whichever process."""

    def __init__(self, touched: Numbers) -> None:
        super().__init__()
        self._touched = touched

    def __getitem__(self, key: str) -> int:
        return self._touched[int(key)]

    def __setitem__(self, key: str, count: int) -> None:
        self._touched[int(key)] = count


class Arena:
    """The shared memory of one round."""

    def __init__(self, *, processes: int, width: int, items: int) -> None:
        self.done = Numbers(processes)
        """How many operations each process has done."""
        self.ids = Numbers(items)
        """The proposal of each item, once anybody knows it."""
        self.touched = Numbers(items)
        self.dead = Numbers(processes * width)
        """1 while this executor has sent what it had to send and does not answer: others may take it for dead."""


class ArenaClock(SystemClock):
    """Lets a millisecond pass with each operation that anybody has done, so that load does not change what expires."""

    def __init__(self, done: Numbers) -> None:
        self._done = done

    def now(self) -> datetime:
        return START + timedelta(milliseconds=self._done.sum())
