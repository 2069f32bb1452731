"""What a process tells the library that stands before it."""

import ctypes
import errno
import os
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class Kind(IntEnum):
    """What is counted, and fails, together."""

    WRITE = 0
    """write, pwrite, writev, ftruncate, rename, unlink, mkdir, and open where it creates; below the folder."""
    SYNC = 1
    """fsync, fdatasync; below the folder."""
    NET = 2
    """connect, send, recv and their like, on IPv4 and IPv6."""


class Manner(IntEnum):
    """How a call fails."""

    ONCE = 0
    """It does nothing, and the next one succeeds."""
    ONWARD = 1
    """It and every later one do nothing."""
    AFTERWARDS = 2
    """It does what it should and reports failure all the same."""
    HALFWAY = 3
    """A write does half of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """The k-th call of a kind fails."""

    kind: Kind
    call: int
    """Counted from 1."""
    error: int
    """An errno."""
    manner: Manner

    def __str__(self) -> str:
        return f"{self.kind.name.lower()} {self.call} fails with {errno.errorcode[self.error]} ({self.manner.name})"


class Shim:
    """The library before this very process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)  # it was loaded before everything else
        self._library.shim_fail.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]
        self._library.shim_calls.restype = ctypes.c_long

    def record(self, folder: Path, log: Path) -> None:
        """Watch everything below *folder*, which has an absolute path, from now on; add the records to *log*."""
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._library.shim_record(os.fsencode(folder), descriptor)

    def fail(self, fault: Fault) -> None:
        """Count anew, and let this one fail."""
        self._library.shim_fail(fault.kind, fault.call, fault.error, fault.manner)

    def calls(self, kind: Kind) -> int:
        """Return how many there were."""
        return int(self._library.shim_calls(kind))

    def mark(self, text: str) -> None:
        """Write a line of one's own between the records."""
        self._library.shim_mark(text.encode())
