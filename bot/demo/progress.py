"""What the demo tells on the terminal: what it does, how it went, and how long that took."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

WIDTH: Final = 46


class Progress:
    """Writes lines to *out*; times come from *monotonic*, in seconds."""

    def __init__(self, out: TextIO, monotonic: Callable[[], float]) -> None:
        self._out = out
        self._monotonic = monotonic
        self._began = monotonic()

    def say(self, text: str = "") -> None:
        """Write a line."""
        self._write(f"{text}\n")

    def begin(self) -> None:
        """Count the seconds of `step` from now."""
        self._began = self._monotonic()

    def step(self, text: str) -> None:
        """Write what has just happened, with its time."""
        self._write(f"{self._monotonic() - self._began:6.2f} s  {text}\n")

    @contextmanager
    def starting(self, what: str) -> Iterator[None]:
        """Write *what*, and at the end whether it went well and how long it took."""
        began = self._monotonic()
        self._write(f"  {what:<{WIDTH}} ")
        try:
            yield
        except BaseException:
            self._write("no\n")
            raise
        self._write(f"ok {self._monotonic() - began:5.1f} s\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
